// The host emulation of warp instructions (native/cuda/kernels/warp.h), compared with the tables of the PTX ISA and
// with a plain product, and the layout of the convolution's tiles in the banks of shared memory.
// The tables are written here as PTX has them, by element of a fragment and not by register, so that a mistake is not
// made twice in the same words.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "cuda/kernels/tensor_convolution.h"
#include "cuda/kernels/warp.h"

namespace {

using namespace reviewkd::cuda;

Bfloat16 bfloat16(float value) { return from_float<Bfloat16>(value); }

/// Element i of a lane's fragment, two per register.
template <typename Fragment>
void set_element(Fragment& fragment, int lane, int i, float value) {
  uint32_t& pair = fragment[i / 2][lane];
  pair = i % 2 == 0 ? (pair & 0xffff0000u) | bfloat16(value).bits
                    : (pair & 0xffffu) | static_cast<uint32_t>(bfloat16(value).bits) << 16;
}

template <typename Fragment>
float element(const Fragment& fragment, int lane, int i) {
  const uint32_t pair = fragment[i / 2][lane];
  return to_float(Bfloat16{static_cast<uint16_t>(i % 2 == 0 ? pair & 0xffffu : pair >> 16)});
}

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type": groupID = %laneid >> 2, threadID_in_group =
// %laneid % 4.
int row_of_a(int lane, int i) { return i < 2 || (4 <= i && i < 6) ? lane >> 2 : (lane >> 2) + 8; }
int column_of_a(int lane, int i) { return i < 4 ? lane % 4 * 2 + (i & 1) : lane % 4 * 2 + (i & 1) + 8; }
int row_of_b(int lane, int i) { return i < 2 ? lane % 4 * 2 + (i & 1) : lane % 4 * 2 + (i & 1) + 8; }
int column_of_b(int lane) { return lane >> 2; }
int row_of_c(int lane, int i) { return i < 2 ? lane >> 2 : (lane >> 2) + 8; }
int column_of_c(int lane, int i) { return lane % 4 * 2 + (i & 1); }

/// Distinct values of few bits: sums of their products are exact in float.
float value_of(int i) { return static_cast<float>(i * 37 % 101 - 50) / 8.0f; }

TEST(Warp, MultipliesAndAddsMatrices) {
  float a[16][16], b[16][8], c[16][8];
  for (int i = 0; i < 256; ++i) a[i / 16][i % 16] = value_of(i);
  for (int i = 0; i < 128; ++i) b[i / 8][i % 8] = value_of(i + 300);
  for (int i = 0; i < 128; ++i) c[i / 8][i % 8] = value_of(i + 700);
  FragmentA left{};
  FragmentB right{};
  FragmentC sums{};
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 8; ++i) set_element(left, lane, i, a[row_of_a(lane, i)][column_of_a(lane, i)]);
    for (int i = 0; i < 4; ++i) set_element(right, lane, i, b[row_of_b(lane, i)][column_of_b(lane)]);
    for (int i = 0; i < 4; ++i) sums[i][lane] = c[row_of_c(lane, i)][column_of_c(lane, i)];
  }
  multiply_add(sums, left, right);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = row_of_c(lane, i), column = column_of_c(lane, i);
      float want = c[row][column];
      for (int k = 0; k < 16; ++k) want += a[row][k] * b[k][column];
      EXPECT_TRUE(sums[i][lane] == want) << "mma.m16n8k16 is c + a · b";
    }
  }
}

/// With the addresses that a kernel gives for A, row r of lane r % 16, upper columns for lanes from 16 on, ldmatrix
/// yields the fragment of A.
TEST(Warp, LoadsMatricesAsFragmentsOfA) {
  constexpr int kPitch = 24;
  std::vector<Bfloat16> memory(16 * kPitch + 8);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 16; ++column)
      memory[static_cast<size_t>(row * kPitch + column + 8)] = bfloat16(value_of(row * 16 + column));
  }
  PerLane<int> rows;
  for (int lane = 0; lane < kLanes; ++lane) rows[lane] = lane % 16 * kPitch + lane / 16 * 8;
  FragmentA a{};
  load_matrices(a, memory.data(), rows, 8);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(element(a, lane, i) == to_float(bfloat16(value_of(row_of_a(lane, i) * 16 + column_of_a(lane, i)))))
          << "ldmatrix.x4 loads A's fragment";
    }
  }
}

TEST(Warp, ExchangesLanes) {
  PerLane<float> numbers;
  for (int lane = 0; lane < kLanes; ++lane) numbers[lane] = static_cast<float>(lane);
  for (const int mask : {1, 4, 16, 31}) {
    const PerLane<float> exchanged = shuffle_xor(numbers, mask);
    for (int lane = 0; lane < kLanes; ++lane)
      EXPECT_TRUE(exchanged[lane] == static_cast<float>(lane ^ mask)) << "shfl.bfly reads the lane across";
  }
}

template <int kCount>
void sums_are_scattered() {
  PerLane<float> values[kCount];
  const auto value = [](int i, int lane) { return static_cast<float>(i * 100 + lane * lane); };
  for (int i = 0; i < kCount; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) values[i][lane] = value(i, lane);
  }
  scatter_sums(values);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < kCount / 8; ++i) {
      float want = 0.0f;
      for (int g = 0; g < 8; ++g) want += value(lane / 4 * (kCount / 8) + i, 4 * g + lane % 4);
      EXPECT_TRUE(values[i][lane] == want) << "sums over lanes of a column";
    }
  }
}

TEST(Warp, RoundsPairsToEven) {
  EXPECT_TRUE(round_pair(1.0f, -2.0f) == 0xc0003f80u) << "the first value lies in the lower half";
  EXPECT_TRUE(round_pair(1.0f + 0x1p-8f, 1.0f + 3 * 0x1p-8f) == 0x3f823f80u) << "ties go to even";
  EXPECT_TRUE(std::isnan(low_half(round_pair(NAN, 0.0f)))) << "NaN stays NaN";
  EXPECT_TRUE(round_pair_relu(-1.0f, 2.0f) == 0x40000000u && std::isnan(high_half(round_pair_relu(0.0f, NAN))))
      << "ReLU cuts off what is below zero and keeps NaN";
}

TEST(Warp, CompletesCopiesWhenTheyAreWaitedFor) {
  alignas(16) uint32_t from[3][4] = {{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}}, to[3][4] = {};
  AsyncCopies copies;
  for (int group = 0; group < 3; ++group) {
    copies.copy(to[group], from[group]);
    copies.commit();
  }
  EXPECT_TRUE(to[0][0] == 0) << "nothing lands before a wait";
  copies.wait<2>();
  EXPECT_TRUE(to[0][3] == 1 && to[1][0] == 0) << "the first group lands when two may be on their way";
  copies.wait<0>();
  EXPECT_TRUE(to[1][0] == 2 && to[2][3] == 3) << "all land in the end";
}

/// ldmatrix reads the rows of eight lanes at a time, 16 bytes each: in one access if they cover all of the banks' 128
/// bytes.
template <int kIn, int kOut, int kStride>
void pixels_lie_in_different_banks() {
  using Kernel = TensorConvolution<kIn, kOut, kStride>;
  for (int warp = 0; warp < Kernel::kWarps; ++warp) {
    typename Kernel::Registers registers;
    Kernel::begin(warp, registers);
    for (auto& pixels : registers.pixels) {
      for (int first = 0; first < kLanes; first += 8) {
        unsigned banks = 0;
        for (int lane = first; lane < first + 8; ++lane) banks |= 1u << pixels[lane] * 2 / 16 % 8;
        EXPECT_TRUE(banks == 0xffu) << "the pixels of an ldmatrix lie in different banks";
      }
    }
  }
}

template <int kStride>
void tiles_have_no_bank_conflicts() {
  pixels_lie_in_different_banks<16, 16, kStride>();
  pixels_lie_in_different_banks<16, 32, kStride>();
  pixels_lie_in_different_banks<16, 64, kStride>();
  pixels_lie_in_different_banks<32, 16, kStride>();
  pixels_lie_in_different_banks<32, 32, kStride>();
  pixels_lie_in_different_banks<32, 64, kStride>();
  pixels_lie_in_different_banks<64, 16, kStride>();
  pixels_lie_in_different_banks<64, 32, kStride>();
  pixels_lie_in_different_banks<64, 64, kStride>();
}

TEST(Warp, ScattersSumsOverLanes) {
  sums_are_scattered<8>();
  sums_are_scattered<16>();
}

TEST(Warp, ReadsTilesWithoutBankConflicts) {
  tiles_have_no_bank_conflicts<1>();
  tiles_have_no_bank_conflicts<2>();
}

}  // namespace
