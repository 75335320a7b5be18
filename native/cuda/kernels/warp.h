#pragma once
// A warp as one value: the abstraction for tensor core kernels, because ldmatrix, mma and shuffles are instructions
// of 32 threads together.
//
// Code is written once per warp, over PerLane values. On the device a PerLane is one register per lane; on the host
// it is an array of 32, and the instructions are emulated with the fragment layouts documented by the PTX ISA
// ("Matrix fragments for mma.m16n8k16", "ldmatrix"), so that a layout mistake fails on the host as it would on the
// device. The warp tests compare the emulation with those tables and with a plain product.
//
// A warp kernel is a struct of its parameters with
//   kWarps, kPhases, kSharedBytes   warps per block; phases separated by barriers of the block; shared memory
//   Registers                       the state of a warp, which persists over all phases
//   blocks()                        the number of blocks
//   run(phase, block, warp, registers, shared)   the work of one warp in one phase

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cuda/kernels/portable.h"

#ifdef __CUDACC__
#define REVIEWKD_WARP __device__ __forceinline__
#else
#include <utility>
#include <vector>
#define REVIEWKD_WARP inline
#endif

namespace reviewkd::cuda {

constexpr int kLanes = 32;
#ifdef __CUDACC__
constexpr int kLanesHeld = 1;
#else
constexpr int kLanesHeld = kLanes;
#endif

template <typename T>
struct PerLane {
  T values[kLanesHeld];

  REVIEWKD_WARP T& operator[](int lane) { return values[lane % kLanesHeld]; }
  REVIEWKD_WARP const T& operator[](int lane) const { return values[lane % kLanesHeld]; }
};

/// Calls body(lane) for each lane that this thread holds.
template <typename Body>
REVIEWKD_WARP void for_each_lane(const Body& body) {
#ifdef __CUDACC__
  body(static_cast<int>(threadIdx.x % kLanes));
#else
  for (int lane = 0; lane < kLanes; ++lane) body(lane);
#endif
}

/// Registers of a matrix fragment, each with two bfloat16 values: that of the lower column (row in B) in the lower
/// half.
template <int kRegisters>
struct Fragment {
  PerLane<uint32_t> registers[kRegisters];

  REVIEWKD_WARP PerLane<uint32_t>& operator[](int i) { return registers[i]; }
  REVIEWKD_WARP const PerLane<uint32_t>& operator[](int i) const { return registers[i]; }
};

/// With g = lane / 4 and t = lane % 4:
///   A [16, 16]  registers 0 … 3: rows g, g + 8, g, g + 8; columns 2t, 2t + 1, in registers 2 and 3 eight further
///   B [16, 8]   registers 0, 1: rows 2t, 2t + 1, in register 1 eight further; column g
///   C [16, 8]   values 0 … 3: rows g, g, g + 8, g + 8; columns 2t, 2t + 1, 2t, 2t + 1
using FragmentA = Fragment<4>;
using FragmentB = Fragment<2>;

struct FragmentC {
  PerLane<float> values[4];

  REVIEWKD_WARP PerLane<float>& operator[](int i) { return values[i]; }
  REVIEWKD_WARP const PerLane<float>& operator[](int i) const { return values[i]; }
};

REVIEWKD_WARP float low_half(uint32_t pair) { return bits_of<float>(pair << 16); }
REVIEWKD_WARP float high_half(uint32_t pair) { return bits_of<float>(pair & 0xffff0000u); }

/// Rounds two values to bfloat16, to nearest and ties to even; `low` goes to the lower half.
REVIEWKD_WARP uint32_t round_pair(float low, float high) {
#ifdef __CUDACC__
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return static_cast<uint32_t>(from_float<Bfloat16>(low).bits) | static_cast<uint32_t>(from_float<Bfloat16>(high).bits)
                                                                     << 16;
#endif
}

/// The same after ReLU, which keeps NaN as at::relu does.
REVIEWKD_WARP uint32_t round_pair_relu(float low, float high) {
#ifdef __CUDACC__
  uint32_t pair;
  asm("cvt.rn.relu.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return round_pair(low < 0.0f ? 0.0f : low, high < 0.0f ? 0.0f : high);
#endif
}

#ifdef __CUDACC__
REVIEWKD_WARP uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}
#endif

/// ldmatrix.x4: four 8 × 8 matrices; lane 8 i + r addresses row r of the i-th: 16 bytes at shared + row + offset.
/// Register i of lane l receives the columns 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of the i-th.
REVIEWKD_WARP void load_matrices(FragmentA& to, const Bfloat16* shared, const PerLane<int>& row, int offset) {
#ifdef __CUDACC__
  const uint32_t address = shared_address(shared + row[0] + offset);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0][0]), "=r"(to[1][0]), "=r"(to[2][0]), "=r"(to[3][0])
               : "r"(address));
#else
  for (int i = 0; i < 4; ++i) {
    for (int lane = 0; lane < kLanes; ++lane)
      memcpy(&to[i][lane], shared + row[8 * i + lane / 4] + offset + 2 * (lane % 4), sizeof(uint32_t));
  }
#endif
}

/// mma.m16n8k16: c += a · b, accumulating products of bfloat16 values in float.
REVIEWKD_WARP void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0][0]), "+f"(c[1][0]), "+f"(c[2][0]), "+f"(c[3][0])
      : "r"(a[0][0]), "r"(a[1][0]), "r"(a[2][0]), "r"(a[3][0]), "r"(b[0][0]), "r"(b[1][0]));
#else
  float left[16][16], right[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      float* pair = &left[g + i % 2 * 8][2 * t + i / 2 * 8];
      pair[0] = low_half(a[i][lane]);
      pair[1] = high_half(a[i][lane]);
    }
    for (int i = 0; i < 2; ++i) {
      right[2 * t + 8 * i][g] = low_half(b[i][lane]);
      right[2 * t + 8 * i + 1][g] = high_half(b[i][lane]);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = 2 * (lane % 4) + i % 2;
      for (int k = 0; k < 16; ++k) c[i][lane] += left[row][k] * right[k][column];
    }
  }
#endif
}

/// shfl.sync.bfly: the value of the lane whose number differs in the bits of `mask`.
REVIEWKD_WARP PerLane<float> shuffle_xor(const PerLane<float>& value, int mask) {
  PerLane<float> result;
#ifdef __CUDACC__
  result[0] = __shfl_xor_sync(0xffffffffu, value[0], mask);
#else
  for (int lane = 0; lane < kLanes; ++lane) result[lane] = value[lane ^ mask];
#endif
  return result;
}

/// Lanes with the bit kMask keep the upper half of 2 · kHalf values, the others the lower, each adding the opposite
/// lane's share.
template <int kMask, int kHalf, int kCount>
REVIEWKD_WARP void exchange_halves(PerLane<float> (&values)[kCount]) {
  REVIEWKD_UNROLL
  for (int i = 0; i < kHalf; ++i) {
    PerLane<float> given;
    for_each_lane([&](int lane) {
      const bool keeps_upper = (lane & kMask) != 0;
      const float lower = values[i][lane], upper = values[i + kHalf][lane];
      given[lane] = keeps_upper ? lower : upper;
      values[i][lane] = keeps_upper ? upper : lower;
    });
    const PerLane<float> received = shuffle_xor(given, kMask);
    for_each_lane([&](int lane) { values[i][lane] += received[lane]; });
  }
}

/// Sums kCount values over the eight lanes with the same lane % 4, in a fixed order. A lane's first kCount / 8 values
/// are then the sums from (lane / 4) · kCount / 8 on. Takes kCount - kCount / 8 shuffles, because each exchange
/// halves the values of a lane.
template <int kCount>
REVIEWKD_WARP void scatter_sums(PerLane<float> (&values)[kCount]) {
  static_assert(kCount % 8 == 0);
  exchange_halves<16, kCount / 2>(values);
  exchange_halves<8, kCount / 4>(values);
  exchange_halves<4, kCount / 8>(values);
}

/// 4 · kCount bytes that a lane reads or writes in one instruction.
template <int kCount>
struct LaneWords {
  static_assert(kCount == 2 || kCount == 4);
  uint32_t values[kCount];

  REVIEWKD_WARP uint32_t& operator[](int i) { return values[i]; }
  REVIEWKD_WARP uint32_t operator[](int i) const { return values[i]; }

  /// from: aligned to 16, as are the addresses below to 4 · kCount.
  REVIEWKD_WARP static LaneWords load(const void* from) {
#ifdef __CUDACC__
    static_assert(kCount == 4);
    const uint4 words = *static_cast<const uint4*>(from);
    return {{words.x, words.y, words.z, words.w}};
#else
    LaneWords words;
    memcpy(words.values, from, sizeof words.values);
    return words;
#endif
  }

  REVIEWKD_WARP void store_shared(void* to) const {
#ifdef __CUDACC__
    static_assert(kCount == 4);
    *static_cast<uint4*>(to) = make_uint4(values[0], values[1], values[2], values[3]);
#else
    memcpy(to, values, sizeof values);
#endif
  }

  /// By intrinsics, because in some kernels the compiler splits a plain assignment into 4-byte stores.
  REVIEWKD_WARP void store_global(void* to) const {
#ifdef __CUDACC__
    if constexpr (kCount == 4) __stwb(static_cast<uint4*>(to), make_uint4(values[0], values[1], values[2], values[3]));
    if constexpr (kCount == 2) __stwb(static_cast<uint2*>(to), make_uint2(values[0], values[1]));
#else
    memcpy(to, values, sizeof values);
#endif
  }
};

/// cp.async: copies of 16 bytes to shared memory that bypass registers, in groups that are waited for in order. On
/// the host a copy takes effect only when its group is waited for, so that a missing wait is detected there.
class AsyncCopies {
 public:
  REVIEWKD_WARP void copy(void* to_shared, const void* from) {
#ifdef __CUDACC__
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to_shared)),
                 "l"(__cvta_generic_to_global(from))
                 : "memory");
#else
    copies_.push_back({to_shared, from, groups_});
#endif
  }

  REVIEWKD_WARP void commit() {
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    ++groups_;
#endif
  }

  /// Waits until at most the last kPending groups are in flight.
  template <int kPending>
  REVIEWKD_WARP void wait() {
#ifdef __CUDACC__
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#else
    std::vector<Copy> pending;
    for (const Copy& copy : copies_) {
      if (copy.group + kPending < groups_) {
        memcpy(copy.to, copy.from, 16);
      } else {
        pending.push_back(copy);
      }
    }
    copies_ = std::move(pending);
#endif
  }

#ifndef __CUDACC__
 private:
  struct Copy {
    void* to;
    const void* from;
    int group;
  };
  std::vector<Copy> copies_;
  int groups_ = 0;
#endif
};

}  // namespace reviewkd::cuda
