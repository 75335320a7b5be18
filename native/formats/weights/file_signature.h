#pragma once
// Files that are given in place of weights, known by their first bytes: what they are, and how to get weights from them.

#include <string>
#include <string_view>

namespace reviewkd {

/// Bytes of a file's beginning that `refuse_other_file` looks at.
constexpr size_t kSignatureBytes = 512;

/// Throws FILE_UNSUPPORTED for a file that does not begin as weights do, with what its first bytes show it to be and the
/// way out: a pointer of Git LFS, a web page, JSON or other text, HDF5, ONNX, a compressed file, a tar archive, an image
/// and others, or an unknown kind. Throws FILE_CORRUPT for zeros. Returns if it may be a damaged .safetensors.
void refuse_other_file(const std::string& name, std::string_view head);

}  // namespace reviewkd
