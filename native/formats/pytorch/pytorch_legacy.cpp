#include <string_view>

#include "core/base/error.h"
#include "formats/little_endian.h"
#include "formats/pickle/pickle_calls.h"
#include "formats/pickle/pickle_machine.h"
#include "formats/pytorch/pytorch_file.h"

namespace reviewkd {
namespace {

// torch/serialization.py: MAGIC_NUMBER = 0x1950A86A20F9469CFC6C, least significant byte first.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t kProtocolVersion = 1001;
constexpr uint64_t kCountBytes = 8;
/// Within them, behind opcodes for the protocol, a frame and the number, is the magic number.
constexpr size_t kPrefaceBytes = 32;

class LegacyReader {
 public:
  explicit LegacyReader(const ByteSource& source) : source_(source) {}

  PickledFile read() {
    file_.format = WeightsFormat::kPyTorchLegacy;
    file_.input = std::make_unique<pickle::Input>(source_, 0, source_.size());
    check_preface();
    file_.root = next();
    const pickle::Value keys = file_.heap.at(next());
    if (keys.kind != pickle::Kind::kList) corrupt("a list of storages");
    place_storages(keys);
    return std::move(file_);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void corrupt(const Parts&... expected) const {
    fail(ErrorCode::kFileCorrupt, "invalid PyTorch file ", source_.name(), ": expected ", expected...,
         ". The file is damaged or truncated; download or save it again.");
  }

  pickle::Id next() { return pickle::read(*file_.input, file_.heap); }

  void check_preface() {
    const pickle::Value magic = file_.heap.at(next());
    if (magic.kind != pickle::Kind::kBigInteger || magic.text != kMagic) {
      fail(ErrorCode::kFileUnsupported, "invalid PyTorch file ", source_.name(),
           ": expected a file of torch.save, received another pickle. In Python, torch.save(model.state_dict(), "
           "\"weights.pt\") writes one.");
    }
    const pickle::Value version = file_.heap.at(next());
    if (version.kind != pickle::Kind::kInteger || version.integer != kProtocolVersion) {
      corrupt("version ", kProtocolVersion, " of the layout");
    }
    const pickle::Value system = file_.heap.at(next());
    const pickle::Value* little = pickle::find(file_.heap, system, "little_endian");
    if (little == nullptr || little->kind != pickle::Kind::kBool) corrupt("a description of the writing system");
    if (little->integer == 0) {
      fail(ErrorCode::kFileUnsupported, "invalid byte order of ", source_.name(),
           ": expected little-endian, received big-endian. Save the file on a little-endian system.");
    }
  }

  /// After the pickles: for each storage its element count, then the elements.
  void place_storages(const pickle::Value& keys) {
    const auto& storages = file_.heap.storages;
    const auto& foreign = file_.heap.foreign_storages;
    if (keys.items.size() != file_.heap.storage_of_key.size() + foreign.size())
      corrupt("as many storages as the tensors use");
    for (const auto& storage : storages) file_.storages.push_back(storage.place.value_or(FileRange{0, 0}));
    std::vector<bool> placed(storages.size());
    uint64_t position = file_.input->position();
    for (const pickle::Id id : keys.items) {
      const pickle::Value& key = file_.heap.at(id);
      if (key.kind != pickle::Kind::kText) corrupt("each storage once");
      uint8_t bytes[kCountBytes];
      source_.read(position, bytes, kCountBytes);
      position += kCountBytes;
      const uint64_t count = little_endian<8>(bytes);
      if (const auto other = foreign.find(key.text); other != foreign.end()) {
        position = end_of_foreign(position, count, other->second);
        continue;
      }
      const auto found = file_.heap.storage_of_key.find(key.text);
      if (found == file_.heap.storage_of_key.end() || placed[found->second]) corrupt("each storage once");
      const pickle::Storage& storage = storages[found->second];
      if (count != storage.bytes / bytes_of(storage.type) || !source_.holds(position, storage.bytes)) {
        corrupt("the ", storage.bytes, " bytes of storage ", storage.key);
      }
      file_.storages[found->second] = {position, storage.bytes};
      placed[found->second] = true;
      position += storage.bytes;
    }
  }

  /// Elements that are not read lie between others.
  uint64_t end_of_foreign(uint64_t position, uint64_t count, const pickle::ForeignStorage& storage) const {
    if (storage.element == 0) {
      fail(
          ErrorCode::kFileUnsupported, "invalid PyTorch file ", source_.name(),
          ": expected elements of a known size, received a ", storage.type,
          ", behind which nothing can be found. In Python, torch.save(torch.load(\"old.pt\"), \"new.pt\") writes it in "
          "the layout since PyTorch 1.6.");
    }
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, storage.element, &bytes) || !source_.holds(position, bytes)) {
      corrupt("the elements of a ", storage.type);
    }
    return position + bytes;
  }

  const ByteSource& source_;
  PickledFile file_;
};

}  // namespace

bool is_pytorch_legacy(std::string_view head) { return head.substr(0, kPrefaceBytes).find(kMagic) != head.npos; }

PickledFile read_pytorch_legacy(const ByteSource& source) { return LegacyReader(source).read(); }

}  // namespace reviewkd
