#include "core/checkpoint/file_checksum.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "core/io/checksum.h"
#include "core/base/error.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

/// An open file that is read at any place.
class SealedFile {
 public:
  SealedFile(const platform::File& file, const std::string& path) : file_(file), path_(path) { check(file_.size(size_)); }

  uint64_t size() const { return size_; }

  void read(uint64_t offset, void* out, size_t bytes) const {
    uint64_t count = 0;
    check(file_.read(offset, out, bytes, count));
    if (count < bytes) fail(ErrorCode::kFileCorrupt, "expected ", size_, " bytes in ", path_, ", got fewer");
  }

  /// Where the digits stand, or nothing where there are none. A quote within a string of the header has a backslash before it, so that
  /// what is looked for can only be the key itself.
  std::optional<uint64_t> digits() const {
    if (size_ < kFrontBytes) return std::nullopt;
    uint8_t length_bytes[kFrontBytes];
    read(0, length_bytes, kFrontBytes);
    uint64_t length = 0;
    for (size_t i = 0; i < kFrontBytes; ++i) length |= static_cast<uint64_t>(length_bytes[i]) << (8 * i);
    if (length > kLongestHeader || length > size_ - kFrontBytes) {
      fail(ErrorCode::kFileCorrupt, "expected a header that fits into the ", size_, " bytes of ", path_, ", got one of ", length,
           " bytes: the file is cut short or damaged");
    }
    std::string header(length, '\0');
    read(kFrontBytes, header.data(), length);
    const std::string key = "\"" + kSealKey + "\":\"";
    const size_t found = header.find(key);
    if (found == std::string::npos || found + key.size() + kBlankSeal.size() > header.size()) return std::nullopt;
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
      for (size_t i = 0; i < kBlankSeal.size(); ++i) {
        const uint64_t place = digits + i;
        if (place >= offset && place < offset + bytes) piece[place - offset] = kBlankSeal[i];
      }
      sum = crc32(piece.data(), bytes, sum);
    }
    return sum;
  }

 private:
  static constexpr size_t kFrontBytes = 8;
  static constexpr uint64_t kLongestHeader = 100'000'000;

  // That the file could be opened but not read tells of the disk, not of permissions.
  void check(const std::error_code& error) const {
    if (error) fail(ErrorCode::kFileCorrupt, "expected to read ", path_, ", got: ", platform::reason_of(error));
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
  const std::string path = "the file that is written";
  const SealedFile sealed(file.file(), path);
  const auto digits = sealed.digits();
  TORCH_INTERNAL_ASSERT(digits, "a file without a blank seal cannot be sealed");
  file.overwrite(*digits, hexadecimal(sealed.checksum(*digits)).data(), kBlankSeal.size());
}

bool verify_checksum(const std::string& path) {
  platform::File file;
  if (const auto error = file.open(path, platform::Access::kRead)) {
    const bool missing = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    fail(missing ? ErrorCode::kFileNotFound : ErrorCode::kFileAccess, "expected a checkpoint at ", path, ", got: ", platform::reason_of(error));
  }
  const SealedFile sealed(file, path);
  const auto digits = sealed.digits();
  if (!digits) return false;
  std::string recorded(kBlankSeal.size(), '\0');
  sealed.read(*digits, recorded.data(), recorded.size());
  const std::string actual = hexadecimal(sealed.checksum(*digits));
  if (recorded != actual) {
    fail(ErrorCode::kFileCorrupt, "expected the checksum ", recorded, " for ", path, ", got ", actual, ": the file is damaged");
  }
  return true;
}

}  // namespace reviewkd
