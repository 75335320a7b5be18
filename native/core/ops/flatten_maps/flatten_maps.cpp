#include "core/ops/flatten_maps/flatten_maps.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/ops/backend/autograd_function.h"
#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Channels of a block: a cache line of a pixel.
constexpr int64_t kBlock = 16;

/// Calls move(index in [N, H · W, C], index in [N, C, H · W]) for each value, a block of channels at a time.
template <typename Move>
void each_value(int64_t maps, int64_t channels, int64_t pixels, const Move& move) {
  parallel_for_ranges(maps, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t n = first; n < last; ++n) {
      const int64_t start = n * channels * pixels;
      for (int64_t block = 0; block < channels; block += kBlock) {
        const int64_t end = std::min(channels, block + kBlock);
        for (int64_t p = 0; p < pixels; ++p) {
          for (int64_t c = block; c < end; ++c) move(start + p * channels + c, start + c * pixels + p);
        }
      }
    }
  });
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(FlattenMapsFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& x) {
    context->saved_data["sizes"] = x.sizes().vec();
    const int64_t channels = x.size(1), pixels = x.size(2) * x.size(3);
    at::Tensor rows = at::empty({x.size(0), channels * pixels}, x.options());
    const float* const from = x.const_data_ptr<float>();
    float* const to = rows.data_ptr<float>();
    each_value(x.size(0), channels, pixels, [&](int64_t in_map, int64_t in_row) { to[in_row] = from[in_map]; });
    return rows;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const std::vector<int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor rows = gradients[0].contiguous();
    at::Tensor map = at::empty(sizes, rows.options(), at::MemoryFormat::ChannelsLast);
    const float* const from = rows.const_data_ptr<float>();
    float* const to = map.data_ptr<float>();
    each_value(sizes[0], sizes[1], sizes[2] * sizes[3],
               [&](int64_t in_map, int64_t in_row) { to[in_map] = from[in_row]; });
    return {map};
  }
};

at::Tensor flatten_maps(const at::Tensor& x) {
  if (takes_reference_path() || !x.is_cpu() || x.scalar_type() != at::kFloat || x.dim() != 4 || x.numel() == 0 ||
      !x.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    return x.flatten(1);
  }
  return FlattenMapsFunction::apply(x);
}

}  // namespace reviewkd::ops
