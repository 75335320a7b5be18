#pragma once
// Vectors of values in the compiler's vector types: one register of the instruction set, or several for the generic
// build.

#include <cstdint>
#include <cstring>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace reviewkd::ops::REVIEWKD_ISA {

#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int64_t kWidth = 8;
#else
constexpr int64_t kWidth = 16;
#endif

typedef float Floats __attribute__((vector_size(4 * kWidth)));
typedef int32_t Ints __attribute__((vector_size(4 * kWidth)));
typedef uint32_t Bits __attribute__((vector_size(4 * kWidth)));
typedef uint16_t Halves __attribute__((vector_size(2 * kWidth)));

/// A 16-bit value, PyTorch's BFloat16.
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
/// Rounds to nearest, ties to even, as PyTorch does. The instruction flushes values below 2⁻¹²⁶ to 0.
inline void store(Bfloat16* to, Floats value) {
#ifdef __AVX512BF16__
  const __m256bh halves = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(value));
#else
  Bits bits = bytes_of<Bits>(&value);
  const Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Ints is_number = value == value;
  const Bits chosen = (rounded & bytes_of<Bits>(&is_number)) | (0x7fc0 & ~bytes_of<Bits>(&is_number));
  const Halves halves = __builtin_convertvector(chosen, Halves);
#endif
  std::memcpy(to, &halves, sizeof halves);
}

/// A subtraction, because the compiler may drop - 0 but not + 0, which turns -0 into 0.
inline Floats splat(float value) { return value - Floats{}; }

/// Values above zero, and NaN, as at::relu keeps them.
inline Floats above_zero(Floats value) { return value < 0 ? Floats{} : value; }

}  // namespace reviewkd::ops::REVIEWKD_ISA
