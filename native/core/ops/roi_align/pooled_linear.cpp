#include "core/ops/roi_align/pooled_linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/roi_align/checks.h"
#include "core/ops/roi_align/regions.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Regions whose gradients are in memory at a time: enough for products near their best rate.
constexpr int64_t kBlockRegions = 256;

/// The pooled values, which the context held until now.
at::Tensor take_rows(AutogradContext* context) {
  const auto found = context->saved_data.find("rows");
  if (found == context->saved_data.end())
    fail(ErrorCode::kInternal, "invalid backward pass: expected the first one, received another.");
  at::Tensor rows = found->second.toTensor();
  context->saved_data.erase("rows");
  return rows;
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(PooledLinearFunction) {
 public:
  static variable_list forward(AutogradContext* context, at::TensorList maps, const at::Tensor& weight,
                               const at::Tensor& bias, const at::Tensor& rois_in, const at::Tensor& levels_in,
                               const std::vector<double>& scales, const RoiAlignOptions& options) {
    const SavedRoiAlign saved = SavedRoiAlign::of(maps, scales, options, at::kFloat);
    // Copies: the gradient reads memory by their values, which nothing may change after they were checked.
    const at::Tensor rois = rois_in.to(at::kFloat).clone(at::MemoryFormat::Contiguous);
    const at::Tensor levels = levels_in.clone(at::MemoryFormat::Contiguous);
    std::vector<at::Tensor> ordered;
    for (const at::Tensor& map : maps) ordered.push_back(in_order(map, at::kFloat));
    const at::Tensor pooled =
        at::empty({rois.size(0), saved.channels(), options.height, options.width}, at::TensorOptions(at::kFloat));
    pool_regions(Regions<float>(rois, levels, saved), ordered, pooled);
    const at::Tensor rows = pooled.view({rois.size(0), weight.size(1)});
    context->save_for_backward({weight, rois, levels});
    saved.save(context);
    context->saved_data["rows"] = rows;
    context->set_materialize_grads(false);
    variable_list results = {at::addmm(bias, rows, weight.t())};
    results.insert(results.end(), maps.begin(), maps.end());
    return results;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list tensors = context->get_saved_variables();
    const SavedRoiAlign saved = SavedRoiAlign::load(context);
    const at::Tensor &weight = tensors[0], &gradient = gradients[0];
    const size_t maps = saved.sizes.size();
    variable_list result(maps + 6);  // regions, levels, scales and options have none
    at::Tensor rows = take_rows(context);
    if (gradient.defined()) {
      if (context->needs_input_grad(maps)) result[maps] = at::mm(gradient.t(), rows);
      if (context->needs_input_grad(maps + 1)) result[maps + 1] = gradient.sum(0);
    }
    rows.reset();

    std::vector<at::Tensor> sums;
    sums.reserve(maps);
    for (size_t i = 0; i < maps; ++i)
      sums.push_back(sum_of_fork(gradients[i + 1], saved.sizes[i], at::TensorOptions(at::kFloat)));
    if (gradient.defined())
      add_gradients_of_rows(gradient, weight, Regions<float>(tensors[1], tensors[2], saved), sums);
    for (size_t i = 0; i < maps; ++i) result[i] = sums[i].to(saved.map_type);
    return result;
  }

 private:
  static void add_gradients_of_rows(const at::Tensor& gradient, const at::Tensor& weight, const Regions<float>& regions,
                                    const std::vector<at::Tensor>& sums) {
    const RoiAlignOptions& options = regions.options();
    for (int64_t begin = 0; begin < regions.count(); begin += kBlockRegions) {
      const int64_t count = std::min(kBlockRegions, regions.count() - begin);
      const at::Tensor of_rows = at::mm(gradient.narrow(0, begin, count), weight);
      add_gradients(regions, begin, of_rows.view({count, -1, options.height, options.width}), sums);
    }
  }
};

PooledLinear pooled_linear(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                           const std::vector<double>& scales, RoiAlignOptions options, const at::Tensor& weight,
                           const at::Tensor& bias) {
  options.order = at::MemoryFormat::Contiguous;
  require_roi_align(maps, rois, levels, scales, options);
  const bool is_fast = !takes_reference_path() && maps[0].is_cpu() && computing_type(maps[0]) == at::kFloat &&
                       weight.scalar_type() == at::kFloat && at::GradMode::is_enabled() && maps[0].requires_grad();
  if (!is_fast) {
    const at::Tensor pooled = multiscale_roi_align(maps, rois, levels, scales, options);
    return {at::linear(pooled.flatten(1), weight, bias), maps};
  }
  const variable_list results =
      PooledLinearFunction::apply(at::TensorList(maps), weight, bias, rois.detach(), levels, scales, options);
  return {results[0], {results.begin() + 1, results.end()}};
}

}  // namespace reviewkd::ops
