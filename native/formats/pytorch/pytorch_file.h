#pragma once
// Files written by torch.save in both layouts: a zip archive (from 1.6 on) and, before that, a stream of pickles
// followed by the storages. Read as torch/serialization.py of PyTorch 2.11 does, without executing anything.

#include <memory>
#include <vector>

#include "formats/byte_source.h"
#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"
#include "formats/tensor_table.h"

namespace reviewkd {

struct PyTorchFile {
  WeightsFormat format = WeightsFormat::kPyTorchZip;
  pickle::Heap heap;
  /// The saved object.
  pickle::Id root = 0;
  /// File ranges of the heap's storages, in its order; each has the size given by the heap.
  std::vector<FileRange> storages;
  FileRange pickle{0, 0, 0};
  /// Owns the text that the heap's values point to.
  std::unique_ptr<pickle::Input> input;
};

/// Both throw FILE_CORRUPT or FILE_UNSUPPORTED.
PyTorchFile read_pytorch_zip(const ByteSource& source);
PyTorchFile read_pytorch_legacy(const ByteSource& source);

}  // namespace reviewkd
