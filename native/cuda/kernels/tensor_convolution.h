#pragma once
// 3 × 3 convolution with padding 1 on tensor cores: an implicit GEMM of [pixels, 9 · in] by [9 · in, out] in bfloat16
// with float sums. See TensorConvolution in kernel_backend.h.
//
// A block computes a tile of output pixels for all output channels. The tile's input with its border is in shared
// memory, normalized while it is loaded, and so are all weights. Weights arrive in three groups, one per filter row:
// the products of the first row are accumulated while the others are in flight. Each of four warps keeps 1,024 sums
// (or fewer, with a stride) in registers.
//
//   A  pixels × input channels: read by ldmatrix at a pixel's address in the tile, shifted by the tap. A pixel takes
//      an odd multiple of 16 bytes, so the eight neighbouring pixels of a row that are read at once are in different
//      banks. With a stride of 2 the tile's even columns precede its odd ones, so that pixels read together are
//      neighbours there, too.
//   B  input × output channels: packed in fragment order by tensor_weights.h, 16 bytes per lane.
//   C  a lane's sums belong to neighbouring channels of a pixel, which it writes at once: column_channel orders the
//      columns of B accordingly.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"
#include "cuda/kernels/tensor_weights.h"
#include "cuda/kernels/warp.h"

namespace reviewkd::cuda {

template <int kIn, int kOut, int kStride>
struct TensorConvolution {
  static constexpr int kWarps = 4;
  static constexpr int kPhases = 5;  // staging, one per filter row, moments
  static constexpr int kThreads = kWarps * kLanes;

  // Output pixels of a tile: enough for 1,024 sums per warp, unless a stride makes their input too large for shared
  // memory.
  static constexpr int kRows = kStride == 2 && kIn == 64 ? 4 : 8;
  static constexpr int kColumns = kStride == 2 && kOut == 16 ? 16 : 512 / kOut;
  static constexpr int kInRows = kStride * (kRows - 1) + 3;
  static constexpr int kInColumns = kStride * (kColumns - 1) + 3;
  static constexpr int kPixel = kIn + 8;  // values from one pixel to the next
  static constexpr int kPacks = kIn / 8;  // of 16 bytes, in a pixel

  static constexpr int kWarpsAcross = kOut == 64 ? 2 : 1;  // along output channels; the others along pixels
  static constexpr int kWarpsDown = kWarps / kWarpsAcross;
  static constexpr int kPixelTiles = kRows * kColumns / 16 / kWarpsDown;  // per warp
  static constexpr int kChannelTiles = channel_tiles(kOut);
  static constexpr int kLaneChannels = 2 * kChannelTiles;

  static constexpr int kRowWeights = 3 * kIn * kOut;  // of a filter row
  static constexpr int kWeightBytes = 3 * kRowWeights * 2;
  static constexpr int kInputBytes = kInRows * kInColumns * kPixel * 2;
  static constexpr int kMomentBytes = kWarpsDown * 2 * kOut * 4;
  static constexpr int kSharedBytes = kWeightBytes + kInputBytes + kMomentBytes;
  static_assert(kSharedBytes <= 99 * 1024, "the limit per block of compute capabilities 8.6 and 12.0, the lowest");
  static_assert(kColumns % 8 == 0 && kPixelTiles * kWarpsDown * 16 == kRows * kColumns && kThreads % kPacks == 0);

  struct Registers {
    AsyncCopies copies;
    PerLane<int> pixels[kPixelTiles];  // where a lane's row of A begins in the tile
    FragmentC sums[kPixelTiles][kChannelTiles];
  };

  /// The block's first output pixel.
  struct Tile {
    int image, row, column;
  };

  ops::TensorConvolution call;

  // Unsigned 32-bit arithmetic, in which divisions by constants are shifts.
  static constexpr REVIEWKD_BOTH unsigned parts_of(int64_t size, unsigned part) {
    return (static_cast<unsigned>(size) + part - 1) / part;
  }
  REVIEWKD_BOTH int out_height() const { return static_cast<int>(parts_of(call.height, kStride)); }
  REVIEWKD_BOTH int out_width() const { return static_cast<int>(parts_of(call.width, kStride)); }
  REVIEWKD_BOTH unsigned tiles_down() const { return parts_of(out_height(), kRows); }
  REVIEWKD_BOTH unsigned tiles_across() const { return parts_of(out_width(), kColumns); }
  int64_t blocks() const { return call.images * tiles_down() * tiles_across(); }

  REVIEWKD_WARP Tile tile_of(int64_t block) const {
    const unsigned at = static_cast<unsigned>(block), row = at / tiles_across(), image = row / tiles_down();
    return {static_cast<int>(image), static_cast<int>(row - image * tiles_down()) * kRows,
            static_cast<int>(at - row * tiles_across()) * kColumns};
  }

  REVIEWKD_WARP void run(int phase, int64_t block, int warp, Registers& registers, std::byte* shared) const {
    Bfloat16* weights = reinterpret_cast<Bfloat16*>(shared);
    Bfloat16* input = reinterpret_cast<Bfloat16*>(shared + kWeightBytes);
    float* moments = reinterpret_cast<float*>(shared + kWeightBytes + kInputBytes);
    if (phase == 0) {
      stage_weights(0, warp, registers.copies, weights);
      stage_input(tile_of(block), warp, input);
      stage_weights(1, warp, registers.copies, weights);
      stage_weights(2, warp, registers.copies, weights);
      begin(warp, registers);
      registers.copies.template wait<2>();
    } else if (phase == 1) {
      multiply_row(0, warp, registers, input, weights);
      registers.copies.template wait<1>();
    } else if (phase == 2) {
      multiply_row(1, warp, registers, input, weights);
      registers.copies.template wait<0>();
    } else if (phase == 3) {
      multiply_row(2, warp, registers, input, weights);
      write(tile_of(block), warp, registers, moments);
    } else if (call.partials != nullptr) {
      fold_moments(block, warp, moments);
    }
  }

  /// weights: [3 rows, 3 · kIn / 16, kOut / 16, lane, 8]
  REVIEWKD_WARP void stage_weights(int row, int warp, AsyncCopies& copies, Bfloat16* weights) const {
    for_each_lane([&](int lane) {
      const int first = 8 * (warp * kLanes + lane);
      const Bfloat16* from = static_cast<const Bfloat16*>(call.weights) + row * kRowWeights;
      REVIEWKD_UNROLL
      for (int at = 0; at < kRowWeights; at += 8 * kThreads) {
        if (kRowWeights % (8 * kThreads) == 0 || at + first < kRowWeights)
          copies.copy(weights + row * kRowWeights + at + first, from + at + first);
      }
    });
    copies.commit();
  }

  /// Position of tile column x in its row.
  static constexpr REVIEWKD_BOTH unsigned slot(unsigned x) {
    return kStride == 1 ? x : x % 2 * ((kInColumns + 1) / 2) + x / 2;
  }

  /// input: [kInRows, kInColumns, kPixel]. Pixels outside the image are 0 after the normalization, because a
  /// convolution pads its input.
  REVIEWKD_WARP void stage_input(const Tile& tile, int warp, Bfloat16* input) const {
    constexpr unsigned kPixels = kInRows * kInColumns, kPixelsAtOnce = kThreads / kPacks;
    constexpr int kLoads = 8;  // in flight before the first is used
    const int top = tile.row * kStride - 1, left = tile.column * kStride - 1;
    const int height = static_cast<int>(call.height), width = static_cast<int>(call.width);
    const Bfloat16* image =
        static_cast<const Bfloat16*>(call.x) + static_cast<int64_t>(tile.image) * height * width * kIn;
    for_each_lane([&](int lane) {
      // The packs of a pixel divide the threads: each thread has the same channels throughout.
      const int thread = warp * kLanes + lane, channel = thread % kPacks * 8;
      float scale[8] = {}, shift[8] = {};
      if (call.scale != nullptr) {
        for (int i = 0; i < 8; ++i) scale[i] = call.scale[channel + i];
        for (int i = 0; i < 8; ++i) shift[i] = call.shift[channel + i];
      }
      REVIEWKD_KEEP_LOOP
      for (unsigned first = static_cast<unsigned>(thread) / kPacks; first < kPixels; first += kLoads * kPixelsAtOnce) {
        LaneWords<4> words[kLoads];
        bool inside[kLoads];
        REVIEWKD_UNROLL
        for (int i = 0; i < kLoads; ++i) {
          const unsigned pixel = first + static_cast<unsigned>(i) * kPixelsAtOnce;
          const int y = top + static_cast<int>(pixel / kInColumns), x = left + static_cast<int>(pixel % kInColumns);
          // As unsigned, negative numbers exceed all sizes.
          inside[i] = pixel < kPixels && static_cast<unsigned>(y) < static_cast<unsigned>(height) &&
                      static_cast<unsigned>(x) < static_cast<unsigned>(width);
          words[i] = inside[i] ? LaneWords<4>::load(image + (y * width + x) * kIn + channel) : LaneWords<4>{};
        }
        REVIEWKD_UNROLL
        for (int i = 0; i < kLoads; ++i) {
          const unsigned pixel = first + static_cast<unsigned>(i) * kPixelsAtOnce;
          if (pixel >= kPixels) break;
          if (call.scale != nullptr && inside[i]) words[i] = normalized(words[i], scale, shift);
          words[i].store_shared(input + (pixel / kInColumns * kInColumns + slot(pixel % kInColumns)) * kPixel +
                                channel);
        }
      }
    });
  }

  /// relu(scale · x + shift)
  static REVIEWKD_WARP LaneWords<4> normalized(const LaneWords<4>& x, const float (&scale)[8],
                                               const float (&shift)[8]) {
    LaneWords<4> result;
    for (int i = 0; i < 4; ++i) {
      result[i] = round_pair_relu(low_half(x[i]) * scale[2 * i] + shift[2 * i],
                                  high_half(x[i]) * scale[2 * i + 1] + shift[2 * i + 1]);
    }
    return result;
  }

  /// Of the warp's first pixel tile and first output channel.
  static REVIEWKD_BOTH int first_pixel_tile(int warp) { return warp / kWarpsAcross * kPixelTiles; }
  static REVIEWKD_BOTH int first_channel(int warp) { return warp % kWarpsAcross * 8 * kChannelTiles; }

  static REVIEWKD_WARP void begin(int warp, Registers& registers) {
    for_each_lane([&](int lane) {
      for (int m = 0; m < kPixelTiles; ++m) {
        const int pixel = (first_pixel_tile(warp) + m) * 16 + lane % 16;
        const int row = pixel / kColumns, column = pixel % kColumns;
        registers.pixels[m][lane] = (kStride * row * kInColumns + column) * kPixel + lane / 16 * 8;
        for (int j = 0; j < kChannelTiles; ++j) {
          for (int i = 0; i < 4; ++i) registers.sums[m][j][i][lane] = 0.0f;
        }
      }
    });
  }

  /// Accumulates the products of a filter row.
  static REVIEWKD_WARP void multiply_row(int row, int warp, Registers& registers, const Bfloat16* input,
                                         const Bfloat16* weights) {
    REVIEWKD_UNROLL
    for (int column = 0; column < 3; ++column) {
      REVIEWKD_UNROLL
      for (int channel = 0; channel < kIn; channel += 16) {
        FragmentB b[kChannelTiles];
        load_weights(((3 * row + column) * kIn + channel) / 16, warp, weights, b);
        REVIEWKD_UNROLL
        for (int m = 0; m < kPixelTiles; ++m) {
          FragmentA a;
          load_matrices(a, input, registers.pixels[m],
                        (row * kInColumns + static_cast<int>(slot(column))) * kPixel + channel);
          REVIEWKD_UNROLL
          for (int j = 0; j < kChannelTiles; ++j) multiply_add(registers.sums[m][j], a, b[j]);
        }
      }
    }
  }

  static REVIEWKD_WARP void load_weights(int step, int warp, const Bfloat16* weights, FragmentB (&b)[kChannelTiles]) {
    for_each_lane([&](int lane) {
      for (int j = 0; j < kChannelTiles; j += 2) {
        const int pair = first_channel(warp) / 16 + j / 2;
        const LaneWords<4> words = LaneWords<4>::load(weights + ((step * (kOut / 16) + pair) * kLanes + lane) * 8);
        for (int i = 0; i < 4; ++i) b[j + i / 2][i % 2][lane] = words[i];
      }
    });
  }

  /// Rounds and writes the sums. moments: [kWarpsDown, 2, kOut], of the rounded values, about origins known to all
  /// blocks in advance. The partials computed from them have the layout of those in batch_norm.h.
  REVIEWKD_WARP void write(const Tile& tile, int warp, Registers& registers, float* moments) const {
    PerLane<float> sums[2 * kLaneChannels];  // of values, then of squares
    const int height = out_height(), width = out_width();
    Bfloat16* image = static_cast<Bfloat16*>(call.out) + static_cast<int64_t>(tile.image) * height * width * kOut;
    for_each_lane([&](int lane) {
      const int channel = first_channel(warp) + lane % 4 * kLaneChannels;
      float origin[kLaneChannels];
      REVIEWKD_UNROLL
      for (int i = 0; i < kLaneChannels; ++i) {
        origin[i] = call.partials != nullptr ? call.origin[channel + i] : 0.0f;
        sums[i][lane] = sums[kLaneChannels + i][lane] = 0.0f;
      }
      REVIEWKD_UNROLL
      for (int m = 0; m < kPixelTiles; ++m) {
        REVIEWKD_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int pixel = (first_pixel_tile(warp) + m) * 16 + lane / 4 + 8 * half;
          const int y = tile.row + pixel / kColumns, x = tile.column + pixel % kColumns;
          if (y >= height || x >= width) continue;
          LaneWords<kChannelTiles> words;
          REVIEWKD_UNROLL
          for (int j = 0; j < kChannelTiles; ++j) {
            words[j] = round_pair(registers.sums[m][j][2 * half][lane], registers.sums[m][j][2 * half + 1][lane]);
            const float distances[2] = {low_half(words[j]) - origin[2 * j], high_half(words[j]) - origin[2 * j + 1]};
            REVIEWKD_UNROLL
            for (int e = 0; e < 2; ++e) {
              sums[2 * j + e][lane] += distances[e];
              sums[kLaneChannels + 2 * j + e][lane] += distances[e] * distances[e];
            }
          }
          words.store_global(image + (y * width + x) * kOut + channel);
        }
      }
    });
    if (call.partials == nullptr) return;
    scatter_sums(sums);
    for_each_lane([&](int lane) {
      constexpr int kKept = 2 * kLaneChannels / 8;
      REVIEWKD_UNROLL
      for (int i = 0; i < kKept; ++i) {
        const int value = lane / 4 * kKept + i;
        const int channel = first_channel(warp) + lane % 4 * kLaneChannels + value % kLaneChannels;
        moments[(warp / kWarpsAcross * 2 + value / kLaneChannels) * kOut + channel] = sums[i][lane];
      }
    });
  }

  REVIEWKD_WARP void fold_moments(int64_t block, int warp, const float* moments) const {
    for_each_lane([&](int lane) {
      const int at = warp * kLanes + lane;
      if (at >= 2 * kOut) return;
      float sum = 0.0f;
      for (int part = 0; part < kWarpsDown; ++part) sum += moments[part * 2 * kOut + at];
      call.partials[block * 2 * kOut + at] = sum;
    });
  }
};

}  // namespace reviewkd::cuda
