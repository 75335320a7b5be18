#pragma once
// Random choice of the anchors or proposals that a loss is computed from, with at most a given share of positive ones.
// Ren et al., "Faster R-CNN" (NeurIPS 2015), section 3.1.3.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace reviewkd::detection {

struct SamplerOptions {
  int64_t batch_size_per_image;
  double positive_fraction;
};

struct Sample {
  // int64 indices, ascending, each once
  at::Tensor positive, negative;
};

/// labels: [N], int64: 1 or more positive, 0 negative, below ignored. Keeps all of a kind for which there is room, else
/// a uniform choice that depends on `seed` alone. Positives that are lacking are replaced by negatives.
Sample sample(const at::Tensor& labels, const SamplerOptions& options, uint64_t seed);

}  // namespace reviewkd::detection
