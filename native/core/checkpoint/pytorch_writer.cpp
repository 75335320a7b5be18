#include "core/checkpoint/pytorch_writer.h"

// libtorch's own writer, whose output every PyTorch version reads. It streams record by record, with checksums, and
// aligns each record's content to 64 bytes.
#include <caffe2/serialize/inline_container.h>

#include <exception>

#include "core/base/error.h"
#include "core/checkpoint/weights_reader.h"
#include "core/io/atomic_file.h"
#include "formats/pickle/pickle_writer.h"

namespace reviewkd {
namespace {

/// Passes an AtomicFile to the archive's writer, whose destructor also writes and must not throw: a file error is
/// stored, later writes are dropped, and `check` throws it.
class Sink {
 public:
  explicit Sink(AtomicFile& file) : file_(file) {}

  size_t write(const void* data, size_t bytes) {
    if (error_) return bytes;
    try {
      file_.write(data, bytes);
    } catch (...) {
      error_ = std::current_exception();
    }
    return bytes;
  }

  void check() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  AtomicFile& file_;
  std::exception_ptr error_;
};

std::vector<StoredTensor> described(const NamedTensors& tensors) {
  std::vector<StoredTensor> entries;
  for (const auto& [name, tensor] : tensors) {
    TORCH_INTERNAL_ASSERT(tensor.is_contiguous() && tensor.device().is_cpu(), name,
                          " must be contiguous and on the CPU");
    const std::vector<int64_t> shape = tensor.sizes().vec();
    entries.push_back({name, element_type(tensor.scalar_type()), shape, contiguous_strides(shape), entries.size(), 0});
  }
  return entries;
}

}  // namespace

void write_pytorch(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  constexpr std::string_view kByteOrder = "little";
  const std::string description = state_dict_pickle(described(tensors), metadata);
  AtomicFile file(path);
  Sink sink(file);
  {
    caffe2::serialize::PyTorchStreamWriter archive(
        [&](const void* data, size_t bytes) { return sink.write(data, bytes); });
    archive.writeRecord("data.pkl", description.data(), description.size());
    archive.writeRecord("byteorder", kByteOrder.data(), kByteOrder.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      sink.check();
      const at::Tensor& tensor = tensors[i].second;
      archive.writeRecord("data/" + std::to_string(i), tensor.const_data_ptr(), tensor.nbytes());
    }
    archive.writeEndOfFile();
  }
  sink.check();
  file.commit();
}

}  // namespace reviewkd
