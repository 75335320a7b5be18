#pragma once
// Files that are given in place of weights, known by their first bytes: what they are, and how to get weights from them.

#include <string>
#include <string_view>

namespace reviewkd {

/// Bytes of a file's beginning that `refuse_other_file` looks at.
constexpr size_t kSignatureBytes = 512;

/// Throws FILE_UNSUPPORTED with what the file is and the way out, if its first bytes show that: a pointer of Git LFS, a
/// web page, JSON or other text, HDF5, ONNX, a compressed file, a tar archive, an image and others. Returns otherwise.
void refuse_other_file(const std::string& name, std::string_view head);

}  // namespace reviewkd
