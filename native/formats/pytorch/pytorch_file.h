#pragma once
// Files written by torch.save in both layouts: a zip archive (from 1.6 on) and, before that, a stream of pickles
// followed by the storages. Read as torch/serialization.py of PyTorch 2.11 does, without executing anything.

#include "formats/pickle/pickled_file.h"

namespace reviewkd {

/// Whether a file that begins with `head` is a stream of torch.save: its magic number is there.
bool is_pytorch_legacy(std::string_view head);

/// Both throw FILE_CORRUPT or FILE_UNSUPPORTED.
PickledFile read_pytorch_zip(const ByteSource& source);
PickledFile read_pytorch_legacy(const ByteSource& source);

}  // namespace reviewkd
