#include <string>
#include <string_view>
#include <unordered_map>

#include "formats/pickle/pickle_machine.h"
#include "formats/pytorch/pytorch_file.h"
#include "formats/pytorch/zip_archive.h"
#include "core/base/error.h"

namespace reviewkd {
namespace {

constexpr std::string_view kPickle = "data.pkl";

/// Everything lies in one folder, whose name is the writer's choice.
std::string folder_of(const std::vector<ZipRecord>& records, const ByteSource& source) {
  for (const auto& record : records) {
    const size_t slash = record.name.find('/');
    if (slash != std::string::npos && std::string_view(record.name).substr(slash + 1) == kPickle) return record.name.substr(0, slash + 1);
  }
  fail(ErrorCode::kFileUnsupported, "expected an archive with ", kPickle, ", as torch.save writes it, got another one at ", source.name());
}

void require_little_endian(const ByteSource& source, const ZipRecord& record) {
  std::string order(std::min<uint64_t>(record.bytes, 16), '\0');
  source.read(record.begin, order.data(), order.size());
  if (order != "little") {
    fail(ErrorCode::kFileUnsupported, "expected numbers with the least byte first in ", source.name(), ", got ", order, "-endian ones");
  }
}

}  // namespace

PyTorchFile read_pytorch_zip(const ByteSource& source) {
  const std::vector<ZipRecord> records = read_zip_directory(source);
  std::unordered_map<std::string_view, const ZipRecord*> by_name;
  for (const auto& record : records) by_name.emplace(record.name, &record);
  const std::string folder = folder_of(records, source);
  const auto order = by_name.find(folder + "byteorder");
  if (order != by_name.end()) require_little_endian(source, *order->second);

  PyTorchFile file;
  file.format = WeightsFormat::kPyTorchZip;
  const ZipRecord& record = *by_name.at(folder + std::string(kPickle));
  file.pickle = {record.begin, record.bytes, record.crc32};
  file.input = std::make_unique<pickle::Input>(source, record.begin, record.begin + record.bytes);
  file.root = pickle::read(*file.input, file.heap);
  for (const auto& storage : file.heap.storages) {
    const auto found = by_name.find(folder + "data/" + std::string(storage.key));
    if (found == by_name.end()) {
      fail(ErrorCode::kFileCorrupt, "expected the record data/", storage.key, " in ", source.name(), ", got none: the file is damaged");
    }
    const ZipRecord& content = *found->second;
    if (content.bytes < storage.bytes) {
      fail(ErrorCode::kFileCorrupt, "expected ", storage.bytes, " bytes in the record data/", storage.key, " of ", source.name(), ", got ",
           content.bytes);
    }
    // The checksum is that of the whole record, which is read then.
    file.storages.push_back({content.begin, content.bytes, content.crc32});
  }
  return file;
}

}  // namespace reviewkd
