#pragma once
// Archives with a mutated pickle: a mutation that changes its length would otherwise be wasted on the zip around it.

#include <cstdint>
#include <functional>
#include <vector>

namespace reviewkd::fuzz {

using Bytes = std::vector<uint8_t>;

/// The archive with its pickle replaced by the result of `change` and all offsets adjusted; the unchanged bytes if
/// they are not an archive with a pickle.
Bytes with_changed_pickle(const Bytes& archive, const std::function<Bytes(Bytes)>& change);

}  // namespace reviewkd::fuzz
