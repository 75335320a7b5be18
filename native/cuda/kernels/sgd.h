#pragma once
// A step of stochastic gradient descent over many parameters at once; see SgdTensors in accelerator.h.

#include "core/ops/accelerator.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// Parameters of a kernel have 4 KB: so many tensors are told in them. With more, there are several launches.
constexpr int kMostTensors = 72;

struct SgdSteps {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;
  /// Values of one block.
  static constexpr int64_t kValues = 4 * kBlockThreads;

  ops::SgdTensor tensors[kMostTensors];
  int32_t first_block[kMostTensors + 1];
  int32_t count;
  const float* rate;
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
    const float step = *rate * tensor.rate_scale;
    const int64_t first = (block - first_block[low]) * kValues;
    const int64_t end = smaller(first + kValues, tensor.count);
    for (int64_t i = first + thread; i < end; i += kThreads) {
      const float parameter = tensor.parameter[i];
      const float g = tensor.gradient[i] + tensor.decay * parameter;
      const float velocity = momentum * tensor.velocity[i] + g;
      tensor.velocity[i] = velocity;
      tensor.parameter[i] = parameter - step * (nesterov ? g + momentum * velocity : velocity);
    }
  }
};

static_assert(sizeof(SgdSteps) <= 4096);

}  // namespace reviewkd::cuda
