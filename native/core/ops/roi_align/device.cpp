#include "core/ops/roi_align/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/roi_align/saved_options.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// rois: float32; both contiguous.
RoiPooling pooling_of(const at::Tensor& rois, const at::Tensor& levels, const SavedRoiAlign& saved) {
  RoiPooling call{};
  call.type = value_type(saved.type);
  call.count = rois.size(0);
  call.images = saved.images();
  call.channels = saved.channels();
  call.height = saved.options.height;
  call.width = saved.options.width;
  call.sampling_ratio = saved.options.sampling_ratio;
  call.aligned = saved.options.aligned;
  call.levels = static_cast<int32_t>(saved.scales.size());
  for (size_t i = 0; i < saved.scales.size(); ++i)
    call.level[i] = {nullptr, nullptr, saved.height(i), saved.width(i), static_cast<float>(saved.scales[i])};
  call.rois = rois.const_data_ptr<float>();
  call.level_of = levels.const_data_ptr<int64_t>();
  return call;
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(DeviceRoiAlignFunction) {
 public:
  static Variable forward(AutogradContext* context, at::TensorList maps, const at::Tensor& rois_in,
                          const at::Tensor& levels_in, const std::vector<double>& scales,
                          const RoiAlignOptions& options) {
    const c10::OptionalDeviceGuard device(maps[0].device());
    const SavedRoiAlign saved = SavedRoiAlign::of(maps, scales, options, maps[0].scalar_type());
    const at::Tensor rois = rois_in.to(at::kFloat).contiguous(), levels = levels_in.contiguous();
    std::vector<at::Tensor> ordered;
    RoiPooling call = pooling_of(rois, levels, saved);
    for (size_t i = 0; i < maps.size(); ++i) {
      ordered.push_back(for_kernels(maps[i], saved.type));
      call.level[i].map = ordered.back().const_data_ptr();
    }
    at::Tensor result = at::empty({rois.size(0), saved.channels(), options.height, options.width}, maps[0].options(),
                                  at::MemoryFormat::ChannelsLast);
    call.out = result.data_ptr();
    kernel_backend_of(result.device().type())->pool_rois(call);
    context->save_for_backward({rois, levels});
    saved.save(context);
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list tensors = context->get_saved_variables();
    const SavedRoiAlign saved = SavedRoiAlign::load(context);
    const c10::OptionalDeviceGuard device(tensors[0].device());
    const at::Tensor gradient = for_kernels(gradients[0], saved.type);
    RoiPooling call = pooling_of(tensors[0], tensors[1], saved);
    call.out_gradient = gradient.const_data_ptr();
    variable_list result;
    for (size_t i = 0; i < saved.scales.size(); ++i) {
      result.push_back(at::empty(saved.sizes[i], gradient.options(), at::MemoryFormat::ChannelsLast));
      call.level[i].gradient = result.back().data_ptr();
    }
    kernel_backend_of(gradient.device().type())->pool_rois_gradient(call);
    result.resize(saved.scales.size() + 4);  // regions, levels, scales and options have none
    return result;
  }
};

std::optional<at::Tensor> roi_align_on_device(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                              const at::Tensor& levels, const std::vector<double>& scales,
                                              const RoiAlignOptions& options) {
  const bool suits = kernel_backend_for(maps[0]) != nullptr && maps.size() <= kMostLevels &&
                     rois.size(0) * options.height * options.width <= kMostPixels &&
                     std::all_of(maps.begin(), maps.end(), [](const at::Tensor& map) { return accelerates(map); });
  if (!suits) return std::nullopt;
  return DeviceRoiAlignFunction::apply(at::TensorList(maps), rois.detach(), levels, scales, options);
}

}  // namespace reviewkd::ops
