#pragma once
// The checksum of zip archives and therefore of PyTorch's files: CRC-32 (ISO 3309).

#include <cstddef>
#include <cstdint>

namespace reviewkd {

/// CRC-32 of `bytes` bytes at `data`; `previous` is the checksum of the preceding bytes, 0 at the beginning.
uint32_t crc32(const void* data, size_t bytes, uint32_t previous = 0);

/// CRC-32 of names and tensors on the CPU.
template <typename NamedTensors>
uint32_t checksum_of(const NamedTensors& entries) {
  uint32_t sum = 0;
  for (const auto& [name, tensor] : entries) {
    sum = crc32(name.data(), name.size(), sum);
    sum = crc32(tensor.const_data_ptr(), tensor.nbytes(), sum);
  }
  return sum;
}

}  // namespace reviewkd
