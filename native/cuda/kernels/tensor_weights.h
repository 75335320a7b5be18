#pragma once
// The weights of a 3 × 3 convolution in the order of tensor_convolution.h; see TensorConvolutionWeights in
// kernel_backend.h.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"
#include "cuda/kernels/warp.h"

namespace reviewkd::cuda {

/// Tiles of eight columns of B whose sums one warp keeps.
constexpr REVIEWKD_BOTH int channel_tiles(int64_t out_channels) { return out_channels == 16 ? 2 : 4; }

/// The output channel of column n of tile j, both of a group of `tiles` tiles: column 2 t + e of all tiles belongs to
/// lanes with lane % 4 = t.
constexpr REVIEWKD_BOTH int column_channel(int tiles, int j, int n) { return n / 2 * 2 * tiles + 2 * j + n % 2; }

/// Weights [out, 3, 3, in] -> [9 · in / 16, out / 16, lane, 8]: the registers of B of two adjacent tiles. One thread
/// per lane.
template <typename T>
struct PackTensorWeights {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::TensorConvolutionWeights call;

  REVIEWKD_BOTH int64_t lanes() const { return 9 * call.in_channels / 16 * (call.out_channels / 16) * kLanes; }
  int64_t blocks() const { return ceil_div(lanes(), kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t at = block * kThreads + thread;
    if (at >= lanes()) return;
    const int lane = static_cast<int>(at % kLanes), g = lane / 4, t = lane % 4;
    const int pairs = static_cast<int>(call.out_channels / 16), tiles = channel_tiles(call.out_channels);
    const int pair = static_cast<int>(at / kLanes % pairs), group = 2 * pair / tiles;
    const int64_t first_row = at / kLanes / pairs * 16;  // of B, which is tap · in_channels + channel
    const int64_t tap = first_row / call.in_channels, first_channel = first_row % call.in_channels;
    Pack<Bfloat16> registers;
    for (int i = 0; i < 8; ++i) {
      const int j = 2 * pair % tiles + i / 4;
      const int64_t in = first_channel + 2 * t + 8 * (i / 2 % 2) + i % 2;
      const int64_t out = 8 * tiles * group + column_channel(tiles, j, g);
      registers[i] = to_float(static_cast<const T*>(call.weights)[(out * 9 + tap) * call.in_channels + in]);
    }
    store(static_cast<Bfloat16*>(call.packed) + 8 * at, registers);
  }
};

}  // namespace reviewkd::cuda
