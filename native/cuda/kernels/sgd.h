#pragma once
// A step of stochastic gradient descent for many parameters at once; see SgdTensors in kernel_backend.h.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// Kernel parameters may take 32 KB since CUDA 12.1, most of which this uses: one launch for all parameters of most
/// networks.
constexpr int kMostTensors = 448;

struct SgdSteps {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;
  /// Values per thread, read before the first is changed.
  static constexpr int kEach = 4;
  /// Values per block.
  static constexpr int64_t kValues = kEach * kBlockThreads;

  ops::SgdTensor tensors[kMostTensors];
  int32_t first_block[kMostTensors + 1];
  int32_t count;
  const float* rates;
  const int64_t* position;
  const float* finite;
  float momentum;
  bool nesterov;

  int64_t blocks() const { return first_block[count]; }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    if (finite != nullptr && *finite == 0.0f) return;
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (first_block[middle] <= block) low = middle;
      else high = middle;
    }
    const ops::SgdTensor& tensor = tensors[low];
    const bool is_bfloat16 = tensor.gradient_type == ops::ValueType::kBfloat16;
    const float rate = rates[*position] * tensor.rate_scale;
    const int64_t first = (block - first_block[low]) * kValues + thread;
    float parameter[kEach] = {}, gradient[kEach] = {}, buffer[kEach] = {};
    REVIEWKD_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int64_t at = first + i * kThreads;
      if (at >= tensor.count) break;
      parameter[i] = tensor.parameter[at];
      gradient[i] = is_bfloat16 ? to_float(static_cast<const Bfloat16*>(tensor.gradient)[at])
                                : static_cast<const float*>(tensor.gradient)[at];
      buffer[i] = tensor.momentum_buffer[at];
    }
    REVIEWKD_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int64_t at = first + i * kThreads;
      if (at >= tensor.count) break;
      const float g = gradient[i] + tensor.decay * parameter[i];
      const float moved = momentum * buffer[i] + g;
      const float updated = parameter[i] - rate * (nesterov ? g + momentum * moved : moved);
      tensor.momentum_buffer[at] = moved;
      tensor.parameter[at] = updated;
      if (tensor.bfloat16_copy != nullptr)
        static_cast<Bfloat16*>(tensor.bfloat16_copy)[at] = from_float<Bfloat16>(updated);
    }
  }
};

static_assert(sizeof(SgdSteps) <= 32764);

}  // namespace reviewkd::cuda
