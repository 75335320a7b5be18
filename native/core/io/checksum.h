#pragma once
// The checksum that zip archives use, and with it PyTorch's files: CRC-32 (ISO 3309).

#include <cstddef>
#include <cstdint>

namespace reviewkd {

/// CRC-32 of `bytes` bytes at `data`; `previous` is that of what comes before them, 0 at the beginning.
uint32_t crc32(const void* data, size_t bytes, uint32_t previous = 0);

}  // namespace reviewkd
