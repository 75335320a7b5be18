#pragma once
// Sixteen values at a time, in the compiler's vector types: one register where AVX-512 is, several elsewhere.

#include <cstdint>
#include <cstring>

namespace reviewkd::ops::REVIEWKD_ISA {

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Bits __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));

/// A value of 16 bits that PyTorch calls BFloat16.
struct Bfloat16 {
  uint16_t bits;
};

template <typename Vector>
inline Vector bytes_of(const void* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline Floats load(const float* from) { return bytes_of<Floats>(from); }
inline Floats load(const Bfloat16* from) {
  const Bits wide = __builtin_convertvector(bytes_of<Halves>(from), Bits) << 16;
  return bytes_of<Floats>(&wide);
}

inline void store(float* to, Floats value) { std::memcpy(to, &value, sizeof value); }
/// Rounds to the nearest, ties to even, as PyTorch does.
inline void store(Bfloat16* to, Floats value) {
  Bits bits = bytes_of<Bits>(&value);
  const Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Ints is_number = value == value;
  const Bits chosen = (rounded & bytes_of<Bits>(&is_number)) | (0x7fc0 & ~bytes_of<Bits>(&is_number));
  const Halves halves = __builtin_convertvector(chosen, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

inline Floats splat(float value) { return Floats{} + value; }

/// The values above zero, NaN included, as at::relu leaves them.
inline Floats above_zero(Floats value) { return value < 0 ? Floats{} : value; }

}  // namespace reviewkd::ops::REVIEWKD_ISA
