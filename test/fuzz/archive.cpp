#include "archive.h"

#include <string>

#include "core/base/error.h"
#include "formats/pytorch/zip_archive.h"

namespace reviewkd::fuzz {
namespace {

void put(Bytes& to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void put(Bytes& to, const std::string& text) { to.insert(to.end(), text.begin(), text.end()); }

struct Record {
  std::string name;
  Bytes content;
};

Bytes archive_of(const std::vector<Record>& records) {
  Bytes file;
  Bytes directory;
  for (const Record& record : records) {
    const auto& name = record.name;
    const auto& content = record.content;
    const uint64_t offset = file.size();
    const auto sizes = [&](Bytes& to) {
      put(to, 0, 4);  // time and date
      put(to, 0, 4);  // checksum: none
      put(to, content.size(), 4);
      put(to, content.size(), 4);
      put(to, name.size(), 2);
      put(to, 0, 2);
    };
    put(file, "PK\x03\x04");
    put(file, 0, 2);
    put(file, 0, 4);  // flags, stored
    sizes(file);
    put(file, name);
    file.insert(file.end(), content.begin(), content.end());
    put(directory, "PK\x01\x02");
    put(directory, 0, 4);
    put(directory, 0, 4);
    sizes(directory);
    put(directory, 0, 8);
    put(directory, 0, 2);
    put(directory, offset, 4);
    put(directory, name);
  }
  const uint64_t begin = file.size();
  file.insert(file.end(), directory.begin(), directory.end());
  put(file, "PK\x05\x06");
  put(file, 0, 4);
  put(file, records.size(), 2);
  put(file, records.size(), 2);
  put(file, directory.size(), 4);
  put(file, begin, 4);
  put(file, 0, 2);
  return file;
}

}  // namespace

Bytes with_changed_pickle(const Bytes& archive, const std::function<Bytes(Bytes)>& change) {
  const MemorySource source("input", archive.data(), archive.size());
  std::vector<Record> records;
  bool changed = false;
  try {
    for (const auto& record : read_zip_directory(source)) {
      const auto begin = archive.begin() + static_cast<std::ptrdiff_t>(record.begin);
      Bytes content(begin, begin + static_cast<std::ptrdiff_t>(record.bytes));
      if (!changed && record.name.ends_with("/data.pkl")) {
        content = change(std::move(content));
        changed = true;
      }
      records.push_back({record.name, std::move(content)});
    }
  } catch (const Error&) {
    return archive;
  }
  return changed ? archive_of(records) : archive;
}

}  // namespace reviewkd::fuzz
