#pragma once
// Typed arrays as vectors: one copy of a block of memory.

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace reviewkd::binding {

/// The elements of a Float64Array, Uint32Array or Uint8Array. Each throws INVALID_ARGUMENT for any other value.
std::vector<double> doubles_of(const Napi::Value& value, const std::string& name);
std::vector<uint32_t> uint32s_of(const Napi::Value& value, const std::string& name);
std::vector<uint8_t> uint8s_of(const Napi::Value& value, const std::string& name);

}  // namespace reviewkd::binding
