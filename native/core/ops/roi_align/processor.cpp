#include "core/ops/roi_align/processor.h"

#include <ATen/ATen.h>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/roi_align/regions.h"
#include "core/ops/roi_align/saved_options.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(RoiAlignFunction) {
 public:
  static Variable forward(AutogradContext* context, at::TensorList maps, const at::Tensor& rois_in,
                          const at::Tensor& levels_in, const std::vector<double>& scales,
                          const RoiAlignOptions& options) {
    const SavedRoiAlign saved = SavedRoiAlign::of(maps, scales, options, pooled_type(maps[0], options.order));
    const bool is_double = saved.type == at::kDouble;
    // Copies: the gradient reads memory by their values, which nothing may change after they were checked.
    const at::Tensor rois = rois_in.to(is_double ? at::kDouble : at::kFloat).clone(at::MemoryFormat::Contiguous);
    const at::Tensor levels = levels_in.clone(at::MemoryFormat::Contiguous);
    std::vector<at::Tensor> ordered;
    for (const at::Tensor& map : maps) ordered.push_back(in_order(map, saved.type));
    const at::Tensor result = at::empty({rois.size(0), saved.channels(), options.height, options.width},
                                        maps[0].options().dtype(saved.type), options.order);
    if (is_double) pool_regions(Regions<double>(rois, levels, saved), ordered, result);
    else pool_regions(Regions<float>(rois, levels, saved), ordered, result);
    context->save_for_backward({rois, levels});
    saved.save(context);
    return result.to(saved.map_type);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list tensors = context->get_saved_variables();
    const SavedRoiAlign saved = SavedRoiAlign::load(context);
    const bool is_double = saved.type == at::kDouble;
    // Sums of many regions need the digits of float32.
    const at::ScalarType sum_type = is_double ? at::kDouble : at::kFloat;
    std::vector<at::Tensor> sums;
    sums.reserve(saved.sizes.size());
    for (const auto& sizes : saved.sizes)
      sums.push_back(at::empty(sizes, at::TensorOptions(sum_type), at::MemoryFormat::ChannelsLast).zero_());
    const at::Tensor gradient =
        gradients[0].is_contiguous() ? gradients[0].to(sum_type) : in_order(gradients[0], saved.type);
    if (is_double) add_gradients(Regions<double>(tensors[0], tensors[1], saved), 0, gradient, sums);
    else add_gradients(Regions<float>(tensors[0], tensors[1], saved), 0, gradient, sums);
    variable_list result;
    for (const at::Tensor& sum : sums) result.push_back(sum.to(saved.map_type));
    result.resize(sums.size() + 4);  // regions, levels, scales and options have none
    return result;
  }
};

at::Tensor roi_align_on_processor(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                                  const std::vector<double>& scales, const RoiAlignOptions& options) {
  return RoiAlignFunction::apply(at::TensorList(maps), rois.detach(), levels, scales, options);
}

}  // namespace reviewkd::ops
