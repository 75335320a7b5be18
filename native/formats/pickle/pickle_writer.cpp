#include "formats/pickle/pickle_writer.h"

#include <string_view>

namespace reviewkd {
namespace {

/// Emits opcodes; pickle_machine.cpp explains them.
class Writer {
 public:
  void ordered_dict() {
    global("collections", "OrderedDict");
    text_ += ")R";
  }
  void mark() { text_ += '('; }
  void opcodes(std::string_view codes) { text_ += codes; }

  void global(std::string_view module, std::string_view name) {
    text_ += 'c';
    text_ += module;
    text_ += '\n';
    text_ += name;
    text_ += '\n';
  }

  void string(std::string_view value) {
    text_ += 'X';
    little_endian(value.size(), 4);
    text_ += value;
  }

  void integer(int64_t value) {
    if (value >= 0 && value < 256) {
      text_ += 'K';
      little_endian(static_cast<uint64_t>(value), 1);
    } else if (value >= 0 && value < (int64_t{1} << 31)) {
      text_ += 'J';
      little_endian(static_cast<uint64_t>(value), 4);
    } else {
      text_ += "\x8a\x08";
      little_endian(static_cast<uint64_t>(value), 8);
    }
  }

  void tuple(const std::vector<int64_t>& values) {
    mark();
    for (const int64_t value : values) integer(value);
    text_ += 't';
  }

  /// torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())
  void tensor(const StoredTensor& tensor, std::string_view key) {
    global("torch._utils", "_rebuild_tensor_v2");
    mark();
    mark();
    string("storage");
    global("torch", row_of(tensor.type).storage);
    string(key);
    string("cpu");
    integer(static_cast<int64_t>(element_count(tensor.shape)));
    text_ += "tQ";
    integer(0);
    tuple(tensor.shape);
    tuple(tensor.strides);
    text_ += "\x89";
    ordered_dict();
    text_ += "tR";
  }

  std::string take() { return std::move(text_); }

 private:
  void little_endian(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> (8 * i));
  }

  std::string text_ = "\x80\x02";
};

}  // namespace

std::string state_dict_pickle(const std::vector<StoredTensor>& tensors, const Metadata& metadata) {
  Writer writer;
  writer.ordered_dict();
  writer.mark();
  for (size_t i = 0; i < tensors.size(); ++i) {
    writer.string(tensors[i].name);
    writer.tensor(tensors[i], std::to_string(i));
  }
  writer.opcodes("u");
  if (!metadata.empty()) {  // OrderedDict.__dict__["metadata"] = {…}
    writer.opcodes("}");
    writer.string("metadata");
    writer.opcodes("}(");
    for (const auto& [key, value] : metadata) {
      writer.string(key);
      writer.string(value);
    }
    writer.opcodes("usb");
  }
  writer.opcodes(".");
  return writer.take();
}

}  // namespace reviewkd
