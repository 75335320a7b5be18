#pragma once
// A checksum over every byte of a safetensors file, stored in its own metadata: CRC-32 of the file with zeros for the
// digits.

#include <string>
#include <string_view>

#include "core/io/atomic_file.h"

namespace reviewkd {

/// The metadata key, and the placeholder digits until the checksum is written.
constexpr std::string_view kChecksumKey = "session.checksum";
constexpr std::string_view kBlankChecksum = "00000000";

/// Replaces the placeholder with the checksum of everything written so far. Must be the last write.
void write_checksum(AtomicFile& file);

/// Reads the whole file and compares. Returns false if the file has no checksum. Throws FILE_NOT_FOUND, FILE_ACCESS,
/// or FILE_CORRUPT if a byte differs.
bool verify_checksum(const std::string& path);

}  // namespace reviewkd
