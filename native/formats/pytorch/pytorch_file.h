#pragma once
// Files that torch.save wrote, in both layouts: a zip archive (from 1.6 on) and, before, a stream of pickles with the
// storages behind them. Read as torch/serialization.py of PyTorch 2.11 does, and without executing anything.

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
  /// What was saved.
  pickle::Id root = 0;
  /// Where the storages of the heap lie, in its order; each is as large as the heap has it.
  std::vector<FileRange> storages;
  FileRange pickle{0, 0, 0};
  /// The heap's texts point into this.
  std::unique_ptr<pickle::Input> input;
};

/// Both throw FILE_CORRUPT or FILE_UNSUPPORTED.
PyTorchFile read_pytorch_zip(const ByteSource& source);
PyTorchFile read_pytorch_legacy(const ByteSource& source);

}  // namespace reviewkd
