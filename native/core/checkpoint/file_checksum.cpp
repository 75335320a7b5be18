#include "core/checkpoint/file_checksum.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/io/checksum.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

/// An open file with random access.
class ChecksummedFile {
 public:
  ChecksummedFile(const platform::File& file, const std::string& path) : file_(file), path_(path) {
    check(file_.size(size_));
  }

  uint64_t size() const { return size_; }

  void read(uint64_t offset, void* out, size_t bytes) const {
    uint64_t count = 0;
    check(file_.read(offset, out, bytes, count));
    if (count < bytes)
      fail(ErrorCode::kFileCorrupt, "invalid file ", path_, ": expected ", size_,
           " bytes, received fewer. Another process truncated it.");
  }

  /// Offset of the digits, or nullopt if missing. A quote within a string of the header is preceded by a backslash,
  /// so the search can only match the key itself.
  std::optional<uint64_t> digits() const {
    if (size_ < kFrontBytes) return std::nullopt;
    uint8_t length_bytes[kFrontBytes];
    read(0, length_bytes, kFrontBytes);
    uint64_t length = 0;
    for (size_t i = 0; i < kFrontBytes; ++i) length |= static_cast<uint64_t>(length_bytes[i]) << (8 * i);
    if (length > kLongestHeader || length > size_ - kFrontBytes) {
      fail(ErrorCode::kFileCorrupt, "invalid header of ", path_, ": expected one that fits the file's ", size_,
           " bytes, received ", length, " bytes. The file is truncated or damaged.");
    }
    std::string header(length, '\0');
    read(kFrontBytes, header.data(), length);
    const std::string key = '"' + std::string(kChecksumKey) + "\":\"";
    const size_t found = header.find(key);
    if (found == std::string::npos || found + key.size() + kBlankChecksum.size() > header.size()) return std::nullopt;
    return kFrontBytes + found + key.size();
  }

  /// CRC-32 of the file with zeros for the digits.
  uint32_t checksum(uint64_t digits) const {
    constexpr size_t kPieceBytes = size_t{1} << 20;
    std::vector<char> piece(kPieceBytes);
    uint32_t sum = 0;
    for (uint64_t offset = 0; offset < size_; offset += kPieceBytes) {
      const size_t bytes = std::min<uint64_t>(kPieceBytes, size_ - offset);
      read(offset, piece.data(), bytes);
      for (size_t i = 0; i < kBlankChecksum.size(); ++i) {
        const uint64_t place = digits + i;
        if (place >= offset && place < offset + bytes) piece[place - offset] = kBlankChecksum[i];
      }
      sum = crc32(piece.data(), bytes, sum);
    }
    return sum;
  }

 private:
  static constexpr size_t kFrontBytes = 8;
  static constexpr uint64_t kLongestHeader = 100'000'000;

  // The file could be opened but not read: a disk error, not a permission error.
  void check(const std::error_code& error) const {
    if (error) fail(ErrorCode::kFileCorrupt, "cannot read ", path_, ": ", platform::reason_of(error), ".");
  }

  const platform::File& file_;
  const std::string& path_;
  uint64_t size_ = 0;
};

std::string hexadecimal(uint32_t value) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

}  // namespace

void write_checksum(AtomicFile& file) {
  const std::string path = "the file being written";
  const ChecksummedFile checksummed(file.file(), path);
  const auto digits = checksummed.digits();
  TORCH_INTERNAL_ASSERT(digits, "the file has no placeholder for its checksum");
  file.overwrite(*digits, hexadecimal(checksummed.checksum(*digits)).data(), kBlankChecksum.size());
}

bool verify_checksum(const std::string& path) {
  platform::File file;
  if (const auto error = file.open(path, platform::Access::kRead)) {
    const bool missing = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    fail(missing ? ErrorCode::kFileNotFound : ErrorCode::kFileAccess, "cannot read the checkpoint ", path, ": ",
         platform::reason_of(error), ".");
  }
  const ChecksummedFile checksummed(file, path);
  const auto digits = checksummed.digits();
  if (!digits) return false;
  std::string recorded(kBlankChecksum.size(), '\0');
  checksummed.read(*digits, recorded.data(), recorded.size());
  const std::string actual = hexadecimal(checksummed.checksum(*digits));
  if (recorded != actual) {
    fail(ErrorCode::kFileCorrupt, "invalid checksum of ", path, ": expected ", recorded, ", received ", actual,
         ". The file is damaged; use another checkpoint.");
  }
  return true;
}

}  // namespace reviewkd
