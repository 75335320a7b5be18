#include "core/training/state/precision.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/grad_mode.h>

namespace reviewkd {

Precision precision_from(const Options& options, const std::string& field) {
  return options.choice<Precision>(field, {{"float32", Precision::kFloat32}, {"bfloat16", Precision::kBfloat16}});
}

PrecisionScope::PrecisionScope(Precision precision, c10::Device device)
    : device_(device.type()),
      was_enabled_(at::autocast::is_autocast_enabled(device_)),
      previous_type_(at::autocast::get_autocast_dtype(device_)) {
  at::autocast::set_autocast_enabled(device_, precision == Precision::kBfloat16);
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::increment_nesting();
}

PrecisionScope::~PrecisionScope() {
  // The cache of converted weights must not outlive the step: the optimizer changes them.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_dtype(device_, previous_type_);
  at::autocast::set_autocast_enabled(device_, was_enabled_);
}

at::Tensor as_input(const at::Tensor& images, at::ScalarType dtype, c10::Device device) {
  const at::Tensor moved = images.to(device, dtype);
  // float64 has no channels-last convolution on the CPU; it would be copied back for each layer.
  return dtype == at::kFloat ? moved.contiguous(at::MemoryFormat::ChannelsLast) : moved.contiguous();
}

void use_fast_memory_order(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() == 4 && parameter.scalar_type() == at::kFloat) {
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

}  // namespace reviewkd
