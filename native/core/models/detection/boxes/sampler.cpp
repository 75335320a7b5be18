#include "core/models/detection/boxes/sampler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "core/base/random.h"

namespace reviewkd::detection {
namespace {

/// `count` of the indices, ascending: the first ones of a Fisher–Yates shuffle.
at::Tensor chosen(std::vector<int64_t>& indices, int64_t count, uint64_t seed) {
  const auto size = static_cast<int64_t>(indices.size());
  if (count < size) {
    RandomStream random(seed);
    for (int64_t i = 0; i < count; ++i) {
      const auto pick = i + static_cast<int64_t>(random.below(static_cast<uint64_t>(size - i)));
      std::swap(indices[static_cast<size_t>(i)], indices[static_cast<size_t>(pick)]);
    }
    indices.resize(static_cast<size_t>(count));
    std::sort(indices.begin(), indices.end());
  }
  return at::tensor(indices, at::kLong);
}

}  // namespace

Sample sample(const at::Tensor& labels, const SamplerOptions& options, uint64_t seed) {
  const at::Tensor on_host = labels.cpu().contiguous();
  const auto* values = on_host.const_data_ptr<int64_t>();
  std::vector<int64_t> positive, negative;
  for (int64_t i = 0; i < on_host.numel(); ++i) {
    if (values[i] >= 1) positive.push_back(i);
    else if (values[i] == 0) negative.push_back(i);
  }
  const auto most = static_cast<int64_t>(static_cast<double>(options.batch_size_per_image) * options.positive_fraction);
  const int64_t positives = std::min(most, static_cast<int64_t>(positive.size()));
  const int64_t negatives = std::min(options.batch_size_per_image - positives, static_cast<int64_t>(negative.size()));
  return {chosen(positive, positives, key_of({seed, 0})).to(labels.device()),
          chosen(negative, negatives, key_of({seed, 1})).to(labels.device())};
}

}  // namespace reviewkd::detection
