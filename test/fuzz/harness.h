#pragma once
// One run of one reader on bytes that anybody may have made.

#include <cstddef>
#include <cstdint>
#include <string>

namespace reviewkd::fuzz {

/// Reads `data` as `reader` ("safetensors", "zip" or "legacy") and ends the process where a table comes out whose tensors do
/// not lie within the bytes. A refusal, a reviewkd::Error, is a good end. Returns whether the bytes were accepted.
bool run(const std::string& reader, const uint8_t* data, size_t size);

}  // namespace reviewkd::fuzz
