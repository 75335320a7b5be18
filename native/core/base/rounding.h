#pragma once
// Sizes of memory and of groups of channels.

#include <cstdint>

namespace reviewkd {

/// The smallest multiple of `step` that is at least `value`.
constexpr int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

}  // namespace reviewkd
