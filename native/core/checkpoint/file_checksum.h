#pragma once
// A checksum over every byte of a safetensors file, in its own metadata: CRC-32 of the file with zeros for the digits.

#include <string>

#include "core/io/atomic_file.h"

namespace reviewkd {

/// The key in the metadata, and what stands there until the file is sealed.
inline const std::string kSealKey = "session.checksum";
inline const std::string kBlankSeal = "00000000";

/// Puts the checksum of what was written so far where the blank one stands. To be called last.
void write_checksum(AtomicFile& file);

/// Reads the whole file and compares. False: it has no seal. Throws FILE_NOT_FOUND, FILE_ACCESS, or FILE_CORRUPT where a byte differs.
bool verify_checksum(const std::string& path);

}  // namespace reviewkd
