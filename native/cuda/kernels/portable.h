#pragma once
// What kernels are written in: C++ that nvcc compiles for the device and any compiler for the host, so that their arithmetic is tested where
// there is no GPU.
//
// A kernel is a struct of its parameters with
//   kThreads, kPhases, kShared   threads of a block; parts between which a block's threads wait for one another; shared floats
//   blocks()                     how many blocks it takes
//   run(phase, block, thread, shared)   what one thread does in one phase. Nothing but `shared` is handed on from phase to phase.

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define REVIEWKD_BOTH __host__ __device__ __forceinline__
#else
#define REVIEWKD_BOTH inline
#endif

namespace reviewkd::cuda {

constexpr int kBlockThreads = 256;
/// Most blocks that share the sums of one operation: what they give is added up by one block.
constexpr int64_t kMostParts = 512;

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

/// A value of 16 bits that PyTorch calls BFloat16.
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

/// Rounds to the nearest, ties to even, as PyTorch does.
template <>
REVIEWKD_BOTH Bfloat16 from_float<Bfloat16>(float value) {
  const uint32_t bits = bits_of<uint32_t>(value);
  const uint32_t rounded = value == value ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : 0x7fc0u;
  return {static_cast<uint16_t>(rounded)};
}

/// As many values as one thread reads at a time: 16 bytes.
template <typename T>
struct Pack {
  static constexpr int kSize = 16 / static_cast<int>(sizeof(T));

  float values[kSize];

  REVIEWKD_BOTH float& operator[](int i) { return values[i]; }
  REVIEWKD_BOTH float operator[](int i) const { return values[i]; }
};

/// The bits of a pack, which a thread of a device reads and writes at once.
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

REVIEWKD_BOTH Words packed(const Pack<float>& pack) {
  Words words;
  for (int i = 0; i < 4; ++i) words.values[i] = bits_of<uint32_t>(pack[i]);
  return words;
}

REVIEWKD_BOTH Words packed(const Pack<Bfloat16>& pack) {
  Words words;
  for (int i = 0; i < 4; ++i) {
    words.values[i] = static_cast<uint32_t>(from_float<Bfloat16>(pack[2 * i]).bits) | static_cast<uint32_t>(from_float<Bfloat16>(pack[2 * i + 1]).bits) << 16;
  }
  return words;
}

/// from: a multiple of 16.
template <typename T>
REVIEWKD_BOTH Pack<T> load(const T* from) {
#ifdef __CUDA_ARCH__
  // One instruction for all 16 bytes.
  const uint4 words = *reinterpret_cast<const uint4*>(from);
  return unpacked(Words{{words.x, words.y, words.z, words.w}}, from);
#else
  Words words;
  memcpy(&words, from, sizeof words);
  return unpacked(words, from);
#endif
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

/// How the threads of a block are laid over [pixels, channels]: `lanes` neighbours read neighbouring packs of a pixel, and `rows` pixels are
/// read at once. The pixels are cut into `parts`, the packs into `groups`, and each block takes one of each.
struct Layout {
  int64_t pixels, packs, parts, groups;
  int lanes, rows;

  /// pixels_at_once: how many pixels a thread reads at least, while there are more parts than one.
  static Layout of(int64_t pixels, int64_t packs, int64_t pixels_at_once = 4) {
    Layout layout{pixels, packs, 1, 1, 1, 1};
    while (layout.lanes < packs && layout.lanes < 32) layout.lanes *= 2;
    layout.rows = kBlockThreads / layout.lanes;
    layout.groups = ceil_div(packs, layout.lanes);
    layout.parts = ceil_div(pixels, layout.rows * pixels_at_once);
    if (layout.parts > kMostParts) layout.parts = kMostParts;
    return layout;
  }

  int64_t blocks() const { return parts * groups; }
  REVIEWKD_BOTH int64_t part(int64_t block) const { return block / groups; }
  /// The thread's pack of channels; `packs` and more where it has none.
  REVIEWKD_BOTH int64_t pack(int64_t block, int thread) const { return block % groups * lanes + thread % lanes; }
  REVIEWKD_BOTH int64_t first_pixel(int64_t block, int thread) const { return part(block) * rows + thread / lanes; }
  REVIEWKD_BOTH int64_t pixel_step() const { return parts * rows; }
};

/// Adds up, over the rows of a block, kValues sums for each lane. The values of a thread lie kBlockThreads apart in `shared`, so that neighbours use
/// different banks. After `give` and a wait come `fold_rows`, a wait, and `folded`.
template <int kValues>
struct RowSums {
  static constexpr int kOutputs = kValues * 32;
  static constexpr int kShared = kValues * kBlockThreads + (kOutputs > kBlockThreads ? kOutputs : kBlockThreads);

  REVIEWKD_BOTH static float& give(float* shared, int thread, int value) { return shared[value * kBlockThreads + thread]; }

  REVIEWKD_BOTH static int shares(const Layout& layout) {
    const int shares = kBlockThreads / (kValues * layout.lanes);
    return shares < 1 ? 1 : smaller(shares, layout.rows);
  }

  REVIEWKD_BOTH static void fold_rows(const Layout& layout, int thread, float* shared) {
    const int outputs = kValues * layout.lanes;
    const int step = shares(layout);
    for (int i = thread; i < outputs * step; i += kBlockThreads) {
      const float* from = shared + i % outputs / layout.lanes * kBlockThreads + i % layout.lanes;
      float sum = 0.0f;
      for (int row = i / outputs; row < layout.rows; row += step) sum += from[row * layout.lanes];
      shared[kValues * kBlockThreads + i] = sum;
    }
  }

  /// Calls take(value, lane, sum) for the thread's share of the outputs.
  template <typename Take>
  REVIEWKD_BOTH static void folded(const Layout& layout, int thread, const float* shared, const Take& take) {
    const int outputs = kValues * layout.lanes;
    for (int i = thread; i < outputs; i += kBlockThreads) {
      float sum = 0.0f;
      for (int share = 0; share < shares(layout); ++share) sum += shared[kValues * kBlockThreads + share * outputs + i];
      take(i / layout.lanes, i % layout.lanes, sum);
    }
  }
};

}  // namespace reviewkd::cuda
