#pragma once
// The language of the kernels: C++ that nvcc compiles for the device and any compiler for the host, so that their
// arithmetic is tested without a GPU.
//
// A kernel is a struct of its parameters with
//   kThreads, kPhases, kShared   threads per block; phases separated by barriers of the block; floats of shared memory
//   blocks()                     the number of blocks
//   run(phase, block, thread, shared)   the work of one thread in one phase. Only `shared` persists between phases.
// A kernel whose blocks produce partial results also has
//   kFinishPhases                phases of a group's last block to finish, which can read the results of all others
//   group(block), blocks_of_group()
//   finish(phase, group, thread, shared)
// Which block finishes last varies, but not its input: sums are computed in a fixed order.

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define REVIEWKD_BOTH __host__ __device__ __forceinline__
#else
#define REVIEWKD_BOTH inline
#endif
// Only for device code: nvcc passes host code to a compiler that warns about unknown pragmas.
#ifdef __CUDA_ARCH__
#define REVIEWKD_UNROLL _Pragma("unroll")
/// For long sums of a known length, whose loads the compiler would otherwise hoist all at once.
#define REVIEWKD_UNROLL_BY_4 _Pragma("unroll 4")
#define REVIEWKD_KEEP_LOOP _Pragma("unroll 1")
#else
#define REVIEWKD_UNROLL
#define REVIEWKD_UNROLL_BY_4
#define REVIEWKD_KEEP_LOOP
#endif

namespace reviewkd::cuda {

constexpr int kBlockThreads = 256;
/// Loads of 16 bytes that a thread has in flight at a time, to hide memory latency.
constexpr int kInFlight = 4;

constexpr REVIEWKD_BOTH int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

template <typename T>
REVIEWKD_BOTH T smaller(T a, T b) {
  return a < b ? a : b;
}

template <typename To, typename From>
REVIEWKD_BOTH To bits_of(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  memcpy(&result, &value, sizeof result);
  return result;
}

/// A 16-bit value, PyTorch's BFloat16.
struct Bfloat16 {
  uint16_t bits;
};

REVIEWKD_BOTH float to_float(float value) { return value; }
REVIEWKD_BOTH float to_float(Bfloat16 value) { return bits_of<float>(static_cast<uint32_t>(value.bits) << 16); }

template <typename T>
REVIEWKD_BOTH T from_float(float value);

template <>
REVIEWKD_BOTH float from_float<float>(float value) {
  return value;
}

/// Rounds to nearest, ties to even, as PyTorch does.
template <>
REVIEWKD_BOTH Bfloat16 from_float<Bfloat16>(float value) {
  const uint32_t bits = bits_of<uint32_t>(value);
  const uint32_t rounded = value == value ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : 0x7fc0u;
  return {static_cast<uint16_t>(rounded)};
}

/// The number of values that one thread reads at a time: 16 bytes.
template <typename T>
struct Pack {
  static constexpr int kSize = 16 / static_cast<int>(sizeof(T));

  float values[kSize];

  REVIEWKD_BOTH float& operator[](int i) { return values[i]; }
  REVIEWKD_BOTH float operator[](int i) const { return values[i]; }
};

/// The bits of a pack, which a device thread reads and writes at once.
struct alignas(16) Words {
  uint32_t values[4];
};

REVIEWKD_BOTH Pack<float> unpacked(const Words& words, const float*) {
  Pack<float> pack;
  for (int i = 0; i < 4; ++i) pack[i] = bits_of<float>(words.values[i]);
  return pack;
}

REVIEWKD_BOTH Pack<Bfloat16> unpacked(const Words& words, const Bfloat16*) {
  Pack<Bfloat16> pack;
  for (int i = 0; i < 4; ++i) {
    pack[2 * i] = bits_of<float>(words.values[i] << 16);
    pack[2 * i + 1] = bits_of<float>(words.values[i] & 0xffff0000u);
  }
  return pack;
}

template <typename T>
REVIEWKD_BOTH Pack<T> unpacked(const Words& words) {
  return unpacked(words, static_cast<const T*>(nullptr));
}

REVIEWKD_BOTH Words packed(const Pack<float>& pack) {
  Words words;
  for (int i = 0; i < 4; ++i) words.values[i] = bits_of<uint32_t>(pack[i]);
  return words;
}

REVIEWKD_BOTH Words packed(const Pack<Bfloat16>& pack) {
  Words words;
  for (int i = 0; i < 4; ++i) {
    words.values[i] = static_cast<uint32_t>(from_float<Bfloat16>(pack[2 * i]).bits) |
                      static_cast<uint32_t>(from_float<Bfloat16>(pack[2 * i + 1]).bits) << 16;
  }
  return words;
}

/// from: aligned to 16 bytes.
template <typename T>
REVIEWKD_BOTH Words load_words(const T* from) {
#ifdef __CUDA_ARCH__
  // One instruction for all 16 bytes.
  const uint4 words = *reinterpret_cast<const uint4*>(from);
  return {{words.x, words.y, words.z, words.w}};
#else
  Words words;
  memcpy(&words, from, sizeof words);
  return words;
#endif
}

template <typename T>
REVIEWKD_BOTH Pack<T> load(const T* from) {
  return unpacked<T>(load_words(from));
}

template <typename T>
REVIEWKD_BOTH void store(T* to, const Pack<T>& pack) {
  const Words words = packed(pack);
#ifdef __CUDA_ARCH__
  *reinterpret_cast<uint4*>(to) = make_uint4(words.values[0], words.values[1], words.values[2], words.values[3]);
#else
  memcpy(to, &words, sizeof words);
#endif
}

/// Reads a value that another block of this kernel has written, bypassing this multiprocessor's own cache.
REVIEWKD_BOTH float load_fresh(const float* from) {
#ifdef __CUDA_ARCH__
  return __ldcg(from);
#else
  return *from;
#endif
}

}  // namespace reviewkd::cuda
