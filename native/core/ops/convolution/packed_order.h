#pragma once
// The orders of a convolution's packed weights.

#include <cstdint>

namespace reviewkd::ops {

/// Weights of one order serve every size of image.
enum class PackedOrder : uint8_t {
  kDirect,
  kWinograd,
  kMatrix,  // [O, k, k, I]
};

}  // namespace reviewkd::ops
