#pragma once
// Overlaps of boxes and the pasting of their masks; see BoxSuppression and MaskPasting in kernel_backend.h.

#include <cmath>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// A product that is rounded before it is added to anything: thresholds and integer corners must come out as on the
/// host.
REVIEWKD_BOTH float rounded_product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

struct CornerBox {
  float x1, y1, x2, y2;

  REVIEWKD_BOTH static CornerBox of(const float* values) { return {values[0], values[1], values[2], values[3]}; }
  REVIEWKD_BOTH float area() const { return rounded_product(x2 - x1, y2 - y1); }
};

/// In the order of core/ops/boxes/overlaps.cpp; NaN in a box makes its area NaN.
REVIEWKD_BOTH float box_overlap(const CornerBox& a, const CornerBox& b) {
  const float width = (a.x2 < b.x2 ? a.x2 : b.x2) - (a.x1 > b.x1 ? a.x1 : b.x1);
  const float height = (a.y2 < b.y2 ? a.y2 : b.y2) - (a.y1 > b.y1 ? a.y1 : b.y1);
  const float both = rounded_product(width > 0.0f ? width : 0.0f, height > 0.0f ? height : 0.0f);
  return both / (a.area() + b.area() - both);
}

/// A thread compares a box with 64 others, of which it writes a word.
struct SuppressBoxes {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;
  static constexpr int64_t kBits = 64;

  ops::BoxSuppression call;

  REVIEWKD_BOTH int64_t words() const { return ceil_div(call.count, kBits); }
  int64_t blocks() const { return ceil_div(call.count * words(), kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t at = block * kThreads + thread;
    if (at >= call.count * words()) return;
    const int64_t i = at / words();
    const int64_t first = at % words() * kBits;
    const CornerBox box = CornerBox::of(call.boxes + 4 * i);
    const int64_t label = call.classes[i];
    uint64_t bits = 0;
    const int64_t last = smaller(first + kBits, call.count);
    for (int64_t j = first > i ? first : i + 1; j < last; ++j) {
      if (call.classes[j] == label && box_overlap(box, CornerBox::of(call.boxes + 4 * j)) > call.threshold)
        bits |= uint64_t{1} << (j - first);
    }
    call.suppresses[at] = bits;
  }
};

/// Where a pixel lies on a grid along one axis: between a point and the next one. Points outside are 0.
struct GridPosition {
  int point;
  float rest;

  REVIEWKD_BOTH static GridPosition nowhere() { return {-2, 0.0f}; }

  REVIEWKD_BOTH static GridPosition of(float low, float high, int pixel, int points, bool detectron2) {
    constexpr float kMost = 3.402823466e38f;
    if (!(low >= -kMost && high <= kMost)) return nowhere();
    if (detectron2) {
      if (!(high > low)) return nowhere();
      const float share = (static_cast<float>(pixel) + 0.5f - low) / (high - low);
      return at(share * static_cast<float>(points) - 0.5f, points);
    }
    if (!(high >= low)) return nowhere();
    const float growth = static_cast<float>(static_cast<double>(points + 2) / static_cast<double>(points));
    const float center = rounded_product(high + low, 0.5f);
    const float half = rounded_product(rounded_product(high - low, 0.5f), growth);
    const int64_t start = cut(center - half), end = cut(center + half);
    if (pixel < start || pixel > end) return nowhere();
    const float step = static_cast<float>(points + 2) / static_cast<float>(end - start + 1);
    return at((static_cast<float>(pixel - start) + 0.5f) * step - 1.5f, points);
  }

 private:
  /// kFarPixel of core/ops/paste_masks/inputs.h.
  REVIEWKD_BOTH static int64_t cut(float value) {
    return static_cast<int64_t>(value < -1e9f ? -1e9f : value > 1e9f ? 1e9f : value);
  }
  REVIEWKD_BOTH static GridPosition at(float position, int points) {
    const float most = static_cast<float>(points);
    const float near = position > -2.0f ? (position < most ? position : most) : -2.0f;
    const float floor = floorf(near);
    return {static_cast<int>(floor), near - floor};
  }
};

/// A pixel of a mask per thread.
struct PasteMasks {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::MaskPasting call;

  REVIEWKD_BOTH int64_t pixels() const { return call.height * call.width; }
  int64_t blocks() const { return ceil_div(call.count * pixels(), kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t index = block * kThreads + thread;
    if (index >= call.count * pixels()) return;
    const int64_t mask = index / pixels();
    const int pixel = static_cast<int>(index % pixels());
    const float value = value_at(mask, pixel / static_cast<int>(call.width), pixel % static_cast<int>(call.width));
    if (call.probabilities != nullptr) call.probabilities[index] = value;
    else call.binary[index] = (call.detectron2 ? value >= call.threshold : value > call.threshold) ? 1 : 0;
  }

  REVIEWKD_BOTH float value_at(int64_t mask, int y, int x) const {
    const int points = static_cast<int>(call.points);
    const float* box = call.boxes + 4 * mask;
    const float* grid = call.grids + mask * points * points;
    const GridPosition row = GridPosition::of(box[1], box[3], y, points, call.detectron2);
    const GridPosition column = GridPosition::of(box[0], box[2], x, points, call.detectron2);
    float value = 0.0f;
    for (int i = 0; i < 4; ++i) {
      const int r = row.point + i / 2;
      const int c = column.point + i % 2;
      if (r < 0 || r >= points || c < 0 || c >= points) continue;
      value += grid[r * points + c] * (i / 2 == 0 ? 1.0f - row.rest : row.rest) *
               (i % 2 == 0 ? 1.0f - column.rest : column.rest);
    }
    return value;
  }
};

}  // namespace reviewkd::cuda
