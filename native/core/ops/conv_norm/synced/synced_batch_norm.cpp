#include "core/ops/conv_norm/synced/synced_batch_norm.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/ops/backend/graph/autograd_function.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

at::ScalarType statistics_type(const at::Tensor& x) {
  return x.is_cpu() ? at::kDouble : at::promote_types(x.scalar_type(), at::kFloat);
}

/// All dimensions but the channels'.
std::vector<int64_t> summed_dimensions(const at::Tensor& x) {
  std::vector<int64_t> dimensions;
  for (int64_t k = 0; k < x.dim(); ++k) {
    if (k != 1) dimensions.push_back(k);
  }
  return dimensions;
}

/// values: [C], in any type and place.
std::vector<double> to_vector(const at::Tensor& values) {
  const at::Tensor doubles = values.to(at::kCPU).to(at::kDouble).contiguous();
  return {doubles.const_data_ptr<double>(), doubles.const_data_ptr<double>() + doubles.numel()};
}

/// A value for each channel as [1, C, 1, …], to compute with the map.
at::Tensor for_channels(const at::Tensor& values, const at::Tensor& map) {
  std::vector<int64_t> shape(static_cast<size_t>(map.dim()), 1);
  shape[1] = values.numel();
  return values.to(map.options()).view(shape);
}

at::Tensor for_channels(const std::vector<double>& values, const at::Tensor& map) {
  return for_channels(at::tensor(values, at::kDouble), map);
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(SyncedBatchNormFunction) {
 public:
  /// moments: receives those of all processes.
  static Variable forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                          const at::Tensor& beta, double epsilon, StatisticsExchange* exchange, BatchMoments* moments) {
    const at::Tensor map = x.to(statistics_type(x));
    const auto [own_variance, own_mean] = at::var_mean(map, summed_dimensions(map), /*correction=*/0);
    *moments = moments_of_processes({x.numel() / x.size(1), to_vector(own_mean), to_vector(own_variance)}, exchange);
    const at::Tensor mean = for_channels(moments->mean, map);
    const at::Tensor inverse = (for_channels(moments->variance, map) + epsilon).rsqrt();
    const at::Tensor normalized = (map - mean) * inverse;

    context->save_for_backward({x, gamma, mean, inverse});
    NormalizedBatch{moments->count, moments->exchange}.save(context);
    return (normalized * for_channels(gamma, map) + for_channels(beta, map)).to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &mean = saved[2], &inverse = saved[3];
    const NormalizedBatch batch = NormalizedBatch::restored(context);
    const at::Tensor gradient = gradients[0].to(mean.scalar_type());
    const at::Tensor normalized = (x.to(mean.scalar_type()) - mean) * inverse;
    const std::vector<int64_t> dimensions = summed_dimensions(x);
    const at::Tensor sums = at::stack({gradient.sum(dimensions), (gradient * normalized).sum(dimensions)});  // [2, C]

    // Through the batch's mean and variance, a value reaches the losses of all processes.
    const std::vector<double> all = sum_of_processes(to_vector(sums.view(-1)), batch.exchange);
    const at::Tensor means = at::tensor(all, at::kDouble).view({2, -1}) / static_cast<double>(batch.count);
    const at::Tensor x_gradient =
        for_channels(gamma, gradient) * inverse *
        (gradient - for_channels(means[0], gradient) - normalized * for_channels(means[1], gradient));
    return {x_gradient.to(x.scalar_type()),
            sums[1].to(gamma.scalar_type()),
            sums[0].to(gamma.scalar_type()),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

SyncedNormalized synced_batch_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double epsilon,
                                   StatisticsExchange& exchange) {
  BatchMoments moments{};
  at::Tensor values = SyncedBatchNormFunction::apply(x, gamma, beta, epsilon, &exchange, &moments);
  return {std::move(values), std::move(moments)};
}

}  // namespace reviewkd::ops
