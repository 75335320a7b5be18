#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/error.h"
#include "formats/pickle/pickle_machine.h"
#include "formats/pytorch/pytorch_file.h"
#include "formats/pytorch/zip_archive.h"

namespace reviewkd {
namespace {

constexpr std::string_view kPickle = "data.pkl";

/// Everything is in one folder, whose name the writer chooses.
std::string folder_of(const std::vector<ZipRecord>& records, const ByteSource& source) {
  for (const auto& record : records) {
    const size_t slash = record.name.find('/');
    if (slash != std::string::npos && std::string_view(record.name).substr(slash + 1) == kPickle)
      return record.name.substr(0, slash + 1);
  }
  fail(ErrorCode::kFileUnsupported, "invalid archive ", source.name(), ": expected one with ", kPickle,
       ", received another. Save the weights with torch.save.");
}

void require_little_endian(const ByteSource& source, const ZipRecord& record) {
  std::string order(std::min<uint64_t>(record.bytes, 16), '\0');
  source.read(record.begin, order.data(), order.size());
  if (order != "little") {
    fail(ErrorCode::kFileUnsupported, "invalid byte order of ", source.name(), ": expected little-endian, received ",
         order, "-endian. Save the file on a little-endian system.");
  }
}

}  // namespace

PickledFile read_pytorch_zip(const ByteSource& source) {
  const std::vector<ZipRecord> records = read_zip_directory(source);
  std::unordered_map<std::string_view, const ZipRecord*> by_name;
  for (const auto& record : records) by_name.emplace(record.name, &record);
  const std::string folder = folder_of(records, source);
  const auto order = by_name.find(folder + "byteorder");
  if (order != by_name.end()) require_little_endian(source, *order->second);

  PickledFile file;
  file.format = WeightsFormat::kPyTorchZip;
  const ZipRecord& record = *by_name.at(folder + std::string(kPickle));
  file.pickle = {record.begin, record.bytes, record.crc32};
  file.input = std::make_unique<pickle::Input>(source, record.begin, record.begin + record.bytes);
  file.root = pickle::read(*file.input, file.heap);
  for (const auto& storage : file.heap.storages) {
    if (storage.place) {
      file.storages.push_back(*storage.place);
      continue;
    }
    const auto found = by_name.find(folder + "data/" + std::string(storage.key));
    if (found == by_name.end()) {
      fail(ErrorCode::kFileCorrupt, "no record data/", storage.key, " in ", source.name(),
           ". The file is damaged; download or save it again.");
    }
    const ZipRecord& content = *found->second;
    if (content.bytes < storage.bytes) {
      fail(ErrorCode::kFileCorrupt, "invalid record data/", storage.key, " in ", source.name(), ": expected ",
           storage.bytes, " bytes, received ", content.bytes, ". The file is damaged; download or save it again.");
    }
    // The checksum covers the whole record, which is read later.
    file.storages.push_back({content.begin, content.bytes, content.crc32});
  }
  return file;
}

}  // namespace reviewkd
