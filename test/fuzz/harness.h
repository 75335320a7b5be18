#pragma once
// One run of one reader on untrusted bytes.

#include <cstddef>
#include <cstdint>
#include <string>

namespace reviewkd::fuzz {

/// Reads `data` as `reader` ("safetensors", "zip", "legacy", "numpy" or "coco-mask") and aborts the process if a
/// resulting table has tensors outside the bytes, or a mask's parts contradict each other. A rejection, a reviewkd::Error, is a valid
/// outcome. Returns whether the bytes were accepted.
bool run(const std::string& reader, const uint8_t* data, size_t size);

}  // namespace reviewkd::fuzz
