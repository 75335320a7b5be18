#include "core/ops/attention_fusion.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/device_attention_fusion.h"
#include "core/ops/dispatch.h"
#include "core/ops/images.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Slot of scratch memory.
constexpr int kSlopes = 3;

Attention attention_of(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight) {
  return {.x = nullptr, .y = nullptr, .weights = weight.const_data_ptr<float>(),
          .rows = y.size(2), .columns = y.size(3), .down = x.size(2) / y.size(2), .right = x.size(3) / y.size(3), .channels = x.size(1)};
}

}  // namespace

// With a name outside of this file: Windows imports the base class, which it does for no class without such a name.
class AttentionFusionFunction : public torch::autograd::Function<AttentionFusionFunction> {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& x_map, const at::Tensor& y_map, const at::Tensor& weight,
                          const at::Tensor& bias, at::ScalarType type) {
    const AttentionKernels& kernels = map_kernels(type)->attention;
    const at::Tensor x = in_order(x_map, type);
    const at::Tensor y = in_order(y_map, type);
    const at::Tensor weights = weight.contiguous();
    at::Tensor z = at::empty({x.size(0), x.size(2) * x.size(3), 2}, at::kFloat);
    at::Tensor result = at::empty_like(x);
    const Images xs(x), ys(y), zs(z.unsqueeze(1)), results(result);
    each_range(x.size(0), [&](int64_t first, int64_t last, int64_t) {
      Attention image = attention_of(x, y, weights);
      for (int64_t n = first; n < last; ++n) {
        image.x = xs[n];
        image.y = ys[n];
        kernels.forward(image, bias.const_data_ptr<float>(), reinterpret_cast<float*>(zs[n]), results[n]);
      }
    });
    context->save_for_backward({x, y, weights, z});
    context->saved_data["x_type"] = static_cast<int64_t>(x_map.scalar_type());
    context->saved_data["y_type"] = static_cast<int64_t>(y_map.scalar_type());
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &weights = saved[2], &z = saved[3];
    const AttentionKernels& kernels = map_kernels(x.scalar_type())->attention;
    const at::Tensor gradient = in_order(gradients[0], x.scalar_type());
    const int64_t count = x.size(0);
    at::Tensor x_gradient = at::empty_like(x);
    at::Tensor y_gradient = at::empty_like(y);
    at::Tensor weight_sums = at::empty({count, weights.numel()}, at::kFloat);
    at::Tensor bias_sums = at::empty({count, 2}, at::kFloat);
    const Images xs(x), ys(y), zs(z.unsqueeze(1)), gradients_of(gradient), x_gradients(x_gradient), y_gradients(y_gradient);
    each_range(count, [&](int64_t first, int64_t last, int64_t) {
      Attention image = attention_of(x, y, weights);
      auto* slopes = static_cast<float*>(scratch(kSlopes, x.size(2) * x.size(3) * 2 * static_cast<int64_t>(sizeof(float))));
      for (int64_t n = first; n < last; ++n) {
        image.x = xs[n];
        image.y = ys[n];
        kernels.backward(image, reinterpret_cast<const float*>(zs[n]), gradients_of[n], slopes, x_gradients[n], y_gradients[n],
                         weight_sums.data_ptr<float>() + n * weights.numel(), bias_sums.data_ptr<float>() + 2 * n);
      }
    });
    const auto type_of = [&](const char* name) { return static_cast<at::ScalarType>(context->saved_data[name].toInt()); };
    return {x_gradient.to(type_of("x_type")), y_gradient.to(type_of("y_type")),
            weight_sums.sum(0, false, at::kDouble).to(at::kFloat).view(weights.sizes()), bias_sums.sum(0, false, at::kDouble).to(at::kFloat),
            at::Tensor()};
  }
};

at::Tensor attention_fusion_reference(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor resized = at::upsample_nearest2d(y, {x.size(2), x.size(3)});             // [N, C, H, W]
  const at::Tensor z = at::conv2d(at::cat({x, resized}, 1), weight, bias).sigmoid();        // [N, 2, H, W]
  return x * z.narrow(1, 0, 1) + resized * z.narrow(1, 1, 1);
}

at::Tensor attention_fusion(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias) {
  if (auto result = attention_fusion_on_device(x, y, weight, bias)) return *result;
  const at::ScalarType type = computing_type(x);
  const bool fast = !takes_reference_path() && x.is_cpu() && map_kernels(type) != nullptr && weight.scalar_type() == at::kFloat &&
                    x.numel() > 0 && x.size(1) % kLanes == 0 && x.size(2) % y.size(2) == 0 && x.size(3) % y.size(3) == 0;
  if (!fast) return attention_fusion_reference(x, y, weight, bias);
  return AttentionFusionFunction::apply(x, y, weight, bias, type);
}

}  // namespace reviewkd::ops
