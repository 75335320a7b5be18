#pragma once
// The checksum of zip archives and therefore of PyTorch's files: CRC-32 (ISO 3309).

#include <cstddef>
#include <cstdint>

namespace reviewkd {

/// CRC-32 of `bytes` bytes at `data`; `previous` is the checksum of the preceding bytes, 0 at the beginning.
uint32_t crc32(const void* data, size_t bytes, uint32_t previous = 0);

}  // namespace reviewkd
