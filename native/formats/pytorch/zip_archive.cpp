#include "formats/pytorch/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>

#include "core/base/error.h"
#include "formats/little_endian.h"

namespace reviewkd {
namespace {

constexpr std::string_view kLocalHeader = "PK\x03\x04";
constexpr std::string_view kDirectoryEntry = "PK\x01\x02";
constexpr std::string_view kEnd = "PK\x05\x06";
constexpr std::string_view kZip64End = "PK\x06\x06";
constexpr std::string_view kZip64Locator = "PK\x06\x07";
constexpr uint64_t kLocalHeaderBytes = 30;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kZip64EndBytes = 56;
constexpr uint64_t kLocatorBytes = 20;
constexpr uint64_t kLongestComment = 65'535;
// A state dict has one record per storage; the largest published ones have some thousands.
constexpr uint64_t kMostRecords = 100'000;
constexpr uint64_t kLargestDirectory = uint64_t{16} << 20;
constexpr uint32_t kIn64 = 0xFFFF'FFFF;
constexpr uint16_t kZip64Extra = 0x0001;

constexpr uint64_t kEncrypted = 1 << 0;
constexpr uint64_t kStored = 0;

struct Directory {
  uint64_t records;
  uint64_t begin;
  uint64_t bytes;
};

/// A record as listed in the directory; its content begins after its local header.
struct Entry {
  std::string_view name;
  uint64_t header;
  uint64_t bytes;
  uint32_t crc32;
  uint64_t method;
};

class DirectoryReader {
 public:
  explicit DirectoryReader(const ByteSource& source) : source_(source) {}

  std::vector<ZipRecord> read() {
    const Directory directory = find();
    std::string text(directory.bytes, '\0');
    source_.read(directory.begin, text.data(), text.size());
    std::vector<ZipRecord> records;
    std::vector<std::pair<uint64_t, uint64_t>> extents;  // header to end of content
    std::set<std::string_view> names;
    std::string_view rest = text;
    for (uint64_t i = 0; i < directory.records; ++i) {
      const Entry entry = next(rest);
      if (!names.insert(entry.name).second) corrupt("unique records, received ", entry.name, " twice");
      const uint64_t begin = content_of(entry);
      if (begin > directory.begin || entry.bytes > directory.begin - begin)
        corrupt("the record ", entry.name, " before the directory");
      records.push_back({std::string(entry.name), begin, entry.bytes, entry.crc32, entry.method != kStored});
      extents.emplace_back(entry.header, begin + entry.bytes);
    }
    if (!rest.empty()) corrupt("as many records as the directory counts, received ", rest.size(), " more bytes");
    refuse_overlaps(extents);
    return records;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void corrupt(const Parts&... expected) const {
    fail(ErrorCode::kFileCorrupt, "invalid archive ", source_.name(), ": expected ", expected...,
         ". The file is damaged or truncated; download or save it again.");
  }

  template <typename... Parts>
  [[noreturn]] void unsupported(const Parts&... expected) const {
    fail(ErrorCode::kFileUnsupported, "invalid archive ", source_.name(), ": expected ", expected...,
         ". PyTorch writes no such archives; save the weights with torch.save.");
  }

  /// Finds the directory: through the zip64 end record, or else the old one, which a comment may follow.
  Directory find() {
    if (source_.size() < kEndBytes) corrupt("a directory at the end");
    const uint64_t bytes = std::min(source_.size(), kEndBytes + kLongestComment);
    std::string tail(bytes, '\0');
    source_.read(source_.size() - bytes, tail.data(), bytes);
    for (size_t at = bytes - kEndBytes + 1; at-- > 0;) {
      const char* end = tail.data() + at;
      if (std::memcmp(end, kEnd.data(), kEnd.size()) != 0 || at + kEndBytes + little_endian<2>(end + 20) != bytes)
        continue;
      const uint64_t position = source_.size() - bytes + at;
      const auto zip64 = find_zip64(position);
      const Directory directory =
          zip64.value_or(Directory{little_endian<2>(end + 10), little_endian<4>(end + 16), little_endian<4>(end + 12)});
      if (!zip64 && (little_endian<2>(end + 4) != 0 || little_endian<2>(end + 6) != 0)) unsupported("one disk");
      if (directory.begin > position || directory.bytes > position - directory.begin)
        corrupt("a directory within the file");
      if (directory.bytes > kLargestDirectory || directory.records > kMostRecords) {
        unsupported("at most ", kMostRecords, " records with a directory of ", kLargestDirectory, " bytes");
      }
      if (directory.records * kEntryBytes > directory.bytes) corrupt("a directory of ", directory.records, " records");
      return directory;
    }
    corrupt("a directory at the end");
  }

  std::optional<Directory> find_zip64(uint64_t end) {
    if (end < kLocatorBytes) return std::nullopt;
    char locator[kLocatorBytes];
    source_.read(end - kLocatorBytes, locator, kLocatorBytes);
    if (std::memcmp(locator, kZip64Locator.data(), kZip64Locator.size()) != 0) return std::nullopt;
    const uint64_t position = little_endian<8>(locator + 8);
    char record[kZip64EndBytes];
    if (!source_.holds(position, kZip64EndBytes) || position > end) corrupt("the zip64 record within the file");
    source_.read(position, record, kZip64EndBytes);
    if (std::memcmp(record, kZip64End.data(), kZip64End.size()) != 0) corrupt("a zip64 record at the given offset");
    if (little_endian<4>(record + 16) != 0 || little_endian<4>(record + 20) != 0) unsupported("one disk");
    return Directory{little_endian<8>(record + 32), little_endian<8>(record + 48), little_endian<8>(record + 40)};
  }

  Entry next(std::string_view& rest) {
    if (rest.size() < kEntryBytes || rest.substr(0, kDirectoryEntry.size()) != kDirectoryEntry)
      corrupt("a whole directory");
    const char* fixed = rest.data();
    const uint64_t name = little_endian<2>(fixed + 28);
    const uint64_t extra = little_endian<2>(fixed + 30);
    const uint64_t comment = little_endian<2>(fixed + 32);
    if (name + extra + comment > rest.size() - kEntryBytes) corrupt("a whole directory");
    Entry entry{rest.substr(kEntryBytes, name), little_endian<4>(fixed + 42), little_endian<4>(fixed + 24),
                static_cast<uint32_t>(little_endian<4>(fixed + 16)), little_endian<2>(fixed + 10)};
    uint64_t unpacked = entry.bytes;
    entry.bytes = little_endian<4>(fixed + 20);
    read_zip64(rest.substr(kEntryBytes + name, extra), {&unpacked, &entry.bytes, &entry.header});
    rest.remove_prefix(kEntryBytes + name + extra + comment);
    if (little_endian<2>(fixed + 8) & kEncrypted) unsupported("no encrypted records, received ", entry.name);
    if (entry.method == kStored && unpacked != entry.bytes) corrupt("equal sizes of the record ", entry.name);
    return entry;
  }

  /// Sizes and offset that exceed 32 bits are in an extra field, in this order.
  void read_zip64(std::string_view extra, std::initializer_list<uint64_t*> fields) {
    std::string_view numbers;
    while (extra.size() >= 4) {
      const uint64_t bytes = little_endian<2>(extra.data() + 2);
      if (bytes > extra.size() - 4) corrupt("whole extra fields");
      if (little_endian<2>(extra.data()) == kZip64Extra) numbers = extra.substr(4, bytes);
      extra.remove_prefix(4 + bytes);
    }
    for (uint64_t* field : fields) {
      if (*field != kIn64) continue;
      if (numbers.size() < 8) corrupt("64-bit sizes");
      *field = little_endian<8>(numbers.data());
      numbers.remove_prefix(8);
    }
  }

  uint64_t content_of(const Entry& entry) {
    char header[kLocalHeaderBytes];
    if (!source_.holds(entry.header, kLocalHeaderBytes)) corrupt("the record ", entry.name, " within the file");
    source_.read(entry.header, header, kLocalHeaderBytes);
    if (std::memcmp(header, kLocalHeader.data(), kLocalHeader.size()) != 0) {
      corrupt("the record ", entry.name, " at the directory's offset");
    }
    std::string name(little_endian<2>(header + 26), '\0');
    source_.read(entry.header + kLocalHeaderBytes, name.data(), name.size());
    if (name != entry.name || little_endian<2>(header + 8) != entry.method)
      corrupt("the record ", entry.name, " to match the directory");
    return entry.header + kLocalHeaderBytes + name.size() + little_endian<2>(header + 28);
  }

  void refuse_overlaps(std::vector<std::pair<uint64_t, uint64_t>>& extents) {
    std::sort(extents.begin(), extents.end());
    for (size_t i = 1; i < extents.size(); ++i) {
      if (extents[i].first < extents[i - 1].second) corrupt("records that do not overlap");
    }
  }

  const ByteSource& source_;
};

}  // namespace

bool is_zip(const ByteSource& source) {
  char first[4];
  if (!source.holds(0, sizeof first)) return false;
  source.read(0, first, sizeof first);
  const std::string_view signature(first, sizeof first);
  return signature == kLocalHeader || signature == kEnd;
}

std::vector<ZipRecord> read_zip_directory(const ByteSource& source) { return DirectoryReader(source).read(); }

}  // namespace reviewkd
