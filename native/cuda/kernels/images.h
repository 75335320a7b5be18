#pragma once
// Batches from a set of images on the device, bit-identical to the loader's on the host; see ImageGathering in
// kernel_backend.h.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// One thread per pixel.
struct GatherImages {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::ImageGathering call;

  int64_t blocks() const { return ceil_div(call.count * call.height * call.width, kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t at = block * kThreads + thread;
    const int64_t plane = call.height * call.width;
    const int64_t image = at / plane;
    if (image >= call.count) return;
    const ops::ImagePick pick = call.picks[(call.position == nullptr ? 0 : *call.position * call.count) + image];
    const int64_t x = at % call.width;
    const int64_t source_y = at % plane / call.width + pick.top - call.padding;
    const int64_t source_x = (pick.flip != 0 ? call.width - 1 - x : x) + pick.left - call.padding;
    const bool inside = source_y >= 0 && source_y < call.height && source_x >= 0 && source_x < call.width;
    const int64_t from = (static_cast<int64_t>(pick.index) * 3) * plane + source_y * call.width + source_x;
    for (int channel = 0; channel < 3; ++channel) {
      float value;
      if (call.lookup != nullptr) {
        // Bytes outside the image are black.
        const uint8_t byte = inside ? static_cast<const uint8_t*>(call.images)[from + channel * plane] : uint8_t{0};
        value = call.lookup[channel * 256 + byte];
      } else {
        value = inside ? static_cast<const float*>(call.images)[from + channel * plane] : 0.0f;
      }
      call.out[at * 3 + channel] = value;
    }
    if (at % plane == 0) call.out_labels[image] = call.labels[pick.index];
  }
};

}  // namespace reviewkd::cuda
