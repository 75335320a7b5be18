#include "core/ops/attention_fusion/attention_fusion.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/ops/attention_fusion/device.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/backend/scratch/scratch.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Approximate bytes of x processed at a time, so that they stay in the core's cache.
constexpr int64_t kPartBytes = int64_t{256} << 10;

/// x: sizes [N, C, H, W].
Attention attention_of(at::IntArrayRef x, const at::Tensor& y) {
  return {.x = nullptr,
          .y = nullptr,
          .weights = nullptr,
          .rows = y.size(2),
          .columns = y.size(3),
          .down = x[2] / y.size(2),
          .right = x[3] / y.size(3),
          .channels = x[1]};
}

/// A part of the work: some rows of y in an image, and the pixels of x that they cover.
struct Place {
  int64_t part;                   // of all images
  int64_t image;
  int64_t pixel_of_y;             // in the image
  int64_t pixel, pixels;          // of x, in the image
  int64_t pixel_of_all;           // of x, counted over all images
};

/// The parts of all images, which depend on their sizes alone, and with them the last digits of sums.
class Parts {
 public:
  /// x: sizes [N, C, H, W].
  Parts(at::IntArrayRef x, const at::Tensor& y)
      : whole_(attention_of(x, y)), row_(whole_.down * whole_.columns * whole_.right) {
    rows_ = std::clamp<int64_t>(kPartBytes / (row_ * whole_.channels * static_cast<int64_t>(y.element_size())), 1,
                                whole_.rows);
    of_image_ = (whole_.rows + rows_ - 1) / rows_;
    count_ = x[0] * of_image_;
  }

  int64_t count() const { return count_; }

  /// Calls body(part, place), in parallel.
  template <typename Body>
  void each(const Body& body) const {
    parallel_for_ranges(count_, [&](int64_t first, int64_t last, int64_t) {
      for (int64_t k = first; k < last; ++k) {
        const int64_t image = k / of_image_, r = k % of_image_ * rows_;
        Attention part = whole_;
        part.rows = std::min(rows_, whole_.rows - r);
        body(part, Place{.part = k,
                         .image = image,
                         .pixel_of_y = r * whole_.columns,
                         .pixel = r * row_,
                         .pixels = part.rows * row_,
                         .pixel_of_all = (image * whole_.rows + r) * row_});
      }
    });
  }

 private:
  Attention whole_;
  int64_t row_;  // pixels of x for a row of y
  int64_t rows_, of_image_, count_;  // rows of y in a part; parts
};

/// Recomputes the fused map from y, from z and from x or its own recomputation.
Recomputation recompute_fusion(const SavedActivation& x, const at::Tensor& y, const at::Tensor& z) {
  std::vector<at::Tensor> sources = x.sources();
  sources.insert(sources.end(), {y, z});
  return {std::move(sources),
          [make_x = x.make()](const std::vector<at::Tensor>& made_of, int64_t first, int64_t count, void* out) {
            const auto end_of_x = made_of.end() - 2;
            const at::Tensor &merged_y = end_of_x[0], &weights = end_of_x[1];
            if (make_x) make_x({made_of.begin(), end_of_x}, first, count, out);
            const NhwcView ys(merged_y), zs(weights);
            const int64_t pixels = weights.size(2) * weights.size(3);
            const int64_t pixel_bytes = merged_y.size(1) * static_cast<int64_t>(merged_y.element_size());
            Attention image =
                attention_of({weights.size(0), merged_y.size(1), weights.size(2), weights.size(3)}, merged_y);
            char* to = static_cast<char*>(out);
            for (int64_t n = first / pixels; count > 0; ++n) {
              const int64_t inside = first % pixels;
              const int64_t part = std::min(count, pixels - inside);
              image.x = make_x ? to : NhwcView(made_of.front()).pixel(0, first);
              image.y = ys[n];
              map_kernels(merged_y.scalar_type())
                  ->attention.merge(image, reinterpret_cast<const float*>(zs[n]), inside, part, to);
              to += part * pixel_bytes;
              first += part;
              count -= part;
            }
          }};
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(AttentionFusionFunction) {
 public:
  /// x_variable: represents `map` in the graph; recomputation: receives the recomputation of the result.
  static Variable forward(AutogradContext* context, const at::Tensor& x_variable, const at::Tensor& y_map,
                          const at::Tensor& weight, const at::Tensor& bias, at::ScalarType type, const LazyTensor& map,
                          Recomputation* recomputation) {
    const AttentionKernels& kernels = map_kernels(type)->attention;
    const at::Tensor x = in_order(x_variable, type);
    const at::Tensor y = in_order(y_map, type);
    const at::Tensor weights = weight.contiguous();
    at::Tensor z =
        at::empty({x.size(0), 2, x.size(2), x.size(3)}, at::TensorOptions(at::kFloat), at::MemoryFormat::ChannelsLast);
    at::Tensor result = at::empty_like(x);
    const SavedActivation reader(x, map.is_made() ? std::nullopt : map.recomputation());
    const NhwcView ys(y), zs(z), results(result);
    Parts(x.sizes(), y).each([&](Attention part, const Place& at) {
      ScratchScope scratch;
      part.x = reader.pixels(at.pixel_of_all, at.pixels, scratch);
      part.y = ys.pixel(at.image, at.pixel_of_y);
      part.weights = weights.const_data_ptr<float>();
      kernels.forward(part, bias.const_data_ptr<float>(), reinterpret_cast<float*>(zs.pixel(at.image, at.pixel)),
                      results.pixel(at.image, at.pixel));
    });
    const SavedActivation saved(x, x.is_same(x_variable) ? map.recomputation() : std::nullopt);
    saved.save(context, {y, weights, z});
    context->saved_data["x_type"] = static_cast<int64_t>(x_variable.scalar_type());
    context->saved_data["y_type"] = static_cast<int64_t>(y_map.scalar_type());
    *recomputation = recompute_fusion(saved, y, z);
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    const SavedActivation x = SavedActivation::restored(context, saved);
    const at::Tensor &y = saved[0], &weights = saved[1], &z = saved[2];
    const AttentionKernels& kernels = map_kernels(x.type())->attention;
    const at::Tensor gradient = in_order(gradients[0], x.type());
    at::Tensor x_gradient = x.empty_like();
    at::Tensor y_gradient = at::empty_like(y);
    const Parts parts(x.sizes(), y);
    at::Tensor weight_sums = at::zeros({parts.count(), weights.numel()}, at::kFloat);
    at::Tensor bias_sums = at::zeros({parts.count(), 2}, at::kFloat);
    const NhwcView ys(y), zs(z), gradients_of(gradient), x_gradients(x_gradient), y_gradients(y_gradient);
    parts.each([&](Attention part, const Place& at) {
      ScratchScope scratch;
      part.x = x.pixels(at.pixel_of_all, at.pixels, scratch);
      part.y = ys.pixel(at.image, at.pixel_of_y);
      part.weights = weights.const_data_ptr<float>();
      float* const slopes = scratch.take<float>(at.pixels * 2).data();
      kernels.backward(
          part, reinterpret_cast<const float*>(zs.pixel(at.image, at.pixel)), gradients_of.pixel(at.image, at.pixel),
          slopes, x_gradients.pixel(at.image, at.pixel), y_gradients.pixel(at.image, at.pixel_of_y),
          weight_sums.data_ptr<float>() + at.part * weights.numel(), bias_sums.data_ptr<float>() + 2 * at.part);
    });
    const auto type_of = [&](const char* name) {
      return static_cast<at::ScalarType>(context->saved_data[name].toInt());
    };
    return {x_gradient.to(type_of("x_type")),
            y_gradient.to(type_of("y_type")),
            weight_sums.sum(0, false, at::kDouble).to(at::kFloat).view(weights.sizes()),
            bias_sums.sum(0, false, at::kDouble).to(at::kFloat),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

at::Tensor attention_fusion_reference(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weight,
                                      const at::Tensor& bias) {
  const at::Tensor resized = at::upsample_nearest2d(y, {x.size(2), x.size(3)});             // [N, C, H, W]
  const at::Tensor z = at::conv2d(at::cat({x, resized}, 1), weight, bias).sigmoid();        // [N, 2, H, W]
  return x * z.narrow(1, 0, 1) + resized * z.narrow(1, 1, 1);
}

LazyTensor attention_fusion(const LazyTensor& map, const at::Tensor& y, const at::Tensor& weight,
                            const at::Tensor& bias) {
  const at::Tensor& variable = map.variable();
  if (auto result = attention_fusion_on_device(variable, y, weight, bias)) return *result;
  const at::ScalarType type = computing_type(variable);
  const auto divides = [&](int64_t dimension) { return variable.size(dimension) % y.size(dimension) == 0; };
  const bool fast = !takes_reference_path() && variable.is_cpu() && map_kernels(type) != nullptr &&
                    weight.scalar_type() == at::kFloat && variable.numel() > 0 && variable.size(1) % kLanes == 0 &&
                    divides(2) && divides(3);
  if (!fast) return attention_fusion_reference(map, y, weight, bias);
  // If the type is not the kernels' own, the map is computed after all.
  const at::Tensor& x = variable.scalar_type() == type ? variable : map.values();
  Recomputation recomputation;
  const at::Tensor result = AttentionFusionFunction::apply(x, y, weight, bias, type, map, &recomputation);
  return at::GradMode::is_enabled() ? LazyTensor(result, std::move(recomputation)) : LazyTensor(result);
}

}  // namespace reviewkd::ops
