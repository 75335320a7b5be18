#include <algorithm>
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

bool any_name(const std::vector<ZipRecord>& records, bool (*fits)(std::string_view)) {
  return std::any_of(records.begin(), records.end(), [&](const ZipRecord& record) { return fits(record.name); });
}

template <typename... Parts>
[[noreturn]] void refuse(const ByteSource& source, const Parts&... received) {
  fail(ErrorCode::kFileUnsupported, "invalid archive ", source.name(), ": expected one of torch.save, received ",
       received...);
}

/// One of those that torch.save writes behind the pickle.
bool is_record_of_save(const ZipRecord& record) {
  const std::string_view name = std::string_view(record.name).substr(record.name.find('/') + 1);
  constexpr std::string_view kNames[] = {"version", "byteorder", ".format_version", ".storage_alignment"};
  return name != record.name && (std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
                                 name.starts_with(".data/") || name.starts_with("data/"));
}

/// Says what an archive is that torch.save has not written.
[[noreturn]] void refuse_archive(const std::vector<ZipRecord>& records, const ByteSource& source) {
  const auto is_array = [](std::string_view name) { return name.ends_with(".npy"); };
  const auto is_hdf5 = [](std::string_view name) { return name.ends_with(".h5"); };
  const auto is_exported = [](std::string_view name) { return name.ends_with("archive_format"); };
  if (any_name(records, is_array)) {
    refuse(source,
           "an .npz archive of NumPy. In Python, pickle.dump(dict(numpy.load(\"weights.npz\")), "
           "open(\"weights.pkl\", \"wb\")) writes its arrays as a pickle, which is read.");
  }
  if (any_name(records, is_hdf5))
    refuse(source, "a model of Keras. Pass weights that PyTorch has written; Keras names and orders them differently.");
  if (any_name(records, is_exported)) {
    refuse(source,
           "a program of torch.export. In Python, torch.save(torch.export.load(\"program.pt2\").state_dict, "
           "\"weights.pt\") writes its weights.");
  }
  const auto is_version = [](std::string_view name) {
    return name.ends_with("/version") || name.ends_with("/.format_version");
  };
  if (any_name(records, is_version) && std::all_of(records.begin(), records.end(), is_record_of_save)) {
    fail(ErrorCode::kFileCorrupt, "invalid archive ", source.name(),
         ": expected a pickle and its tensors, received one of torch.save without them, as a torch.save that fails "
         "leaves it. Save it again.");
  }
  refuse(source, "another ZIP archive", records.empty() ? "" : " with ", records.empty() ? "" : records[0].name,
         ". Unpack it first, and pass the file of weights in it.");
}

/// torch.jit.save's archives have constants and code; their objects are of classes that the code defines.
void refuse_torchscript(const std::vector<ZipRecord>& records, const std::string& folder, const ByteSource& source) {
  const bool is_torchscript = std::any_of(records.begin(), records.end(), [&](const ZipRecord& record) {
    return record.name == folder + "constants.pkl" || record.name.starts_with(folder + "code/");
  });
  if (!is_torchscript) return;
  refuse(source,
         "a TorchScript archive of torch.jit.save. In Python, torch.save(torch.jit.load(\"net.pt\", "
         "map_location=\"cpu\").state_dict(), \"weights.pt\") writes its weights.");
}

void require_stored(const ByteSource& source, const ZipRecord& record) {
  if (!record.is_compressed) return;
  refuse(
      source, "one with the compressed record ", record.name,
      ", which another program has packed. Unpack it, and pack it again without compression: zip -0 -r weights.pt .");
}

/// Everything is in one folder, whose name the writer chooses.
std::string folder_of(const std::vector<ZipRecord>& records, const ByteSource& source) {
  for (const auto& record : records) {
    const size_t slash = record.name.find('/');
    if (slash != std::string::npos && std::string_view(record.name).substr(slash + 1) == kPickle)
      return record.name.substr(0, slash + 1);
  }
  refuse_archive(records, source);
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
  refuse_torchscript(records, folder, source);
  const auto order = by_name.find(folder + "byteorder");
  if (order != by_name.end()) {
    require_stored(source, *order->second);
    require_little_endian(source, *order->second);
  }

  PickledFile file;
  file.format = WeightsFormat::kPyTorchZip;
  const ZipRecord& record = *by_name.at(folder + std::string(kPickle));
  require_stored(source, record);
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
    require_stored(source, content);
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
