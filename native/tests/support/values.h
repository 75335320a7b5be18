#pragma once
// Arrays of float32 or bfloat16 values as kernels read and write them, each of which a test sees in double.

#include <cstdint>
#include <cstring>
#include <vector>

namespace reviewkd::tests {

/// Values between -2 and 2 in steps of 1/1000 that repeat late.
inline float noise(int64_t index, int64_t seed) {
  const auto mixed = static_cast<uint32_t>(index + 7919 * seed) * 2654435761u >> 8;
  return static_cast<float>(mixed % 4001) / 1000.0f - 2.0f;
}

inline std::vector<float> noise_floats(int64_t count, int64_t seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(noise(i, seed));
  return values;
}

inline float float_of_bfloat16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// Rounds to the nearest, ties to even.
inline uint16_t bfloat16_of(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

class Values {
 public:
  /// Zeros.
  Values(bool is_bfloat16, int64_t count)
      : is_bfloat16_(is_bfloat16), bytes_(static_cast<size_t>(count) * (is_bfloat16 ? 2 : 4)) {}

  static Values noise(bool is_bfloat16, int64_t count, int64_t seed) {
    Values values(is_bfloat16, count);
    for (int64_t i = 0; i < count; ++i) values.set(i, tests::noise(i, seed));
    return values;
  }

  void* data() { return bytes_.data(); }
  /// From the value with this index on.
  void* at(int64_t index) { return bytes_.data() + index * (is_bfloat16_ ? 2 : 4); }
  int64_t size() const { return static_cast<int64_t>(bytes_.size()) / (is_bfloat16_ ? 2 : 4); }

  double operator[](int64_t index) const {
    if (is_bfloat16_) return float_of_bfloat16(read<uint16_t>(index));
    return read<float>(index);
  }

  void set(int64_t index, float value) {
    if (is_bfloat16_) write(index, bfloat16_of(value));
    else write(index, value);
  }

 private:
  template <typename T>
  T read(int64_t index) const {
    T value;
    std::memcpy(&value, bytes_.data() + static_cast<size_t>(index) * sizeof(T), sizeof value);
    return value;
  }

  template <typename T>
  void write(int64_t index, T value) {
    std::memcpy(bytes_.data() + static_cast<size_t>(index) * sizeof(T), &value, sizeof value);
  }

  bool is_bfloat16_;
  std::vector<char> bytes_;
};

}  // namespace reviewkd::tests
