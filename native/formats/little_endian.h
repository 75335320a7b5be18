#pragma once
// Little-endian numbers, least significant byte first.

#include <cstddef>
#include <cstdint>

namespace reviewkd {

/// The number in the first `Bytes` bytes at `data`.
template <size_t Bytes>
uint64_t little_endian(const void* data) {
  static_assert(Bytes <= 8);
  uint64_t value = 0;
  for (size_t i = 0; i < Bytes; ++i) value |= static_cast<uint64_t>(static_cast<const uint8_t*>(data)[i]) << (8 * i);
  return value;
}

}  // namespace reviewkd
