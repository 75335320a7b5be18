#pragma once
// Archives whose pickle was changed: a mutation that makes it longer or shorter would otherwise be lost on the zip around it.

#include <cstdint>
#include <functional>
#include <vector>

namespace reviewkd::fuzz {

using Bytes = std::vector<uint8_t>;

/// The archive with its pickle replaced by what `change` makes of it and all offsets right; the bytes as they are where they
/// are no archive with a pickle.
Bytes with_changed_pickle(const Bytes& archive, const std::function<Bytes(Bytes)>& change);

}  // namespace reviewkd::fuzz
