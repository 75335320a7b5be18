#include "core/base/error.h"
#include "formats/pickle/pickle_machine.h"
#include "formats/pickle/pickled_file.h"

namespace reviewkd {

PickledFile read_numpy_pickle(const ByteSource& source) {
  PickledFile file;
  file.format = WeightsFormat::kNumpyPickle;
  file.input = std::make_unique<pickle::Input>(source, 0, source.size());
  file.root = pickle::read(*file.input, file.heap);
  for (const auto& storage : file.heap.storages) {
    if (!storage.place) {
      fail(ErrorCode::kFileUnsupported, "invalid pickle ", source.name(),
           ": expected arrays of NumPy, received tensors of PyTorch without their elements. In Python, "
           "torch.save(model.state_dict(), \"weights.pt\") writes both.");
    }
    file.storages.push_back(*storage.place);
  }
  return file;
}

}  // namespace reviewkd
