#pragma once
// The directory of a zip archive: zip64 where needed. Encrypted, overlapping or multi-disk archives are rejected: no
// legitimate weight file uses them. Compressed records are listed, and never unpacked.
// PKWARE, APPNOTE.TXT 6.3.10.

#include <string>
#include <vector>

#include "formats/byte_source.h"

namespace reviewkd {

struct ZipRecord {
  std::string name;
  /// Content as it is stored: first byte in the file, and length in bytes.
  uint64_t begin;
  uint64_t bytes;
  /// 0 if the writer computed none (torch.serialization.set_crc32_options).
  uint32_t crc32;
  /// PyTorch compresses no weights, but the code of TorchScript.
  bool is_compressed = false;
};

/// Whether the file starts like an archive.
bool is_zip(const ByteSource& source);

/// All records; each is within the file, overlaps no other and has a unique name. Throws FILE_CORRUPT or
/// FILE_UNSUPPORTED.
std::vector<ZipRecord> read_zip_directory(const ByteSource& source);

}  // namespace reviewkd
