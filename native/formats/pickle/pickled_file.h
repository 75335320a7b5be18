#pragma once
// A file with a pickle: the objects in it, and where their tensors' elements are.

#include <memory>
#include <vector>

#include "formats/byte_source.h"
#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"
#include "formats/tensor_table.h"

namespace reviewkd {

struct PickledFile {
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

/// A pickle of Python's pickle.dump, whose arrays are NumPy's: detectron2's and Caffe2's files, of any protocol and of
/// Python 2 or 3. Nothing is executed; unknown objects are opaque. Throws FILE_CORRUPT or FILE_UNSUPPORTED.
PickledFile read_numpy_pickle(const ByteSource& source);

}  // namespace reviewkd
