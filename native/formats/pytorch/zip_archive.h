#pragma once
// The directory of a zip archive as PyTorch writes it: stored records, zip64 where it must be. What is compressed, encrypted,
// overlapping or spread over several disks is refused: no honest file of weights is.
// PKWARE, APPNOTE.TXT 6.3.10.

#include <string>
#include <vector>

#include "formats/byte_source.h"

namespace reviewkd {

struct ZipRecord {
  std::string name;
  /// Of the content: first byte in the file, and how many.
  uint64_t begin;
  uint64_t bytes;
  /// 0 where the writer took none (torch.serialization.set_crc32_options).
  uint32_t crc32;
};

/// Whether the file begins like an archive.
bool is_zip(const ByteSource& source);

/// All records; each lies within the file and apart from the others, and each name is there once. Throws FILE_CORRUPT or
/// FILE_UNSUPPORTED.
std::vector<ZipRecord> read_zip_directory(const ByteSource& source);

}  // namespace reviewkd
