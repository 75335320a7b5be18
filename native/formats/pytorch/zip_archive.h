#pragma once
// The directory of a zip archive as PyTorch writes it: stored records, zip64 where needed. Compressed, encrypted,
// overlapping or multi-disk archives are rejected: no legitimate weight file uses them.
// PKWARE, APPNOTE.TXT 6.3.10.

#include <string>
#include <vector>

#include "formats/byte_source.h"

namespace reviewkd {

struct ZipRecord {
  std::string name;
  /// Content: first byte in the file, and length in bytes.
  uint64_t begin;
  uint64_t bytes;
  /// 0 if the writer computed none (torch.serialization.set_crc32_options).
  uint32_t crc32;
};

/// Whether the file starts like an archive.
bool is_zip(const ByteSource& source);

/// All records; each is within the file, overlaps no other and has a unique name. Throws FILE_CORRUPT or
/// FILE_UNSUPPORTED.
std::vector<ZipRecord> read_zip_directory(const ByteSource& source);

}  // namespace reviewkd
