#include "core/ops/conv_norm/convolution_gradients.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/nhwc_view.h"

namespace reviewkd::ops {

ConvolutionGradients convolution_gradients(const ImageConvolution& convolution, const at::Tensor& weight,
                                           const SavedActivation& input, const OutputGradientSource& source,
                                           const NeededGradients& needed) {
  const ConvolutionShape& shape = convolution.shape();
  const auto value_bytes = static_cast<int64_t>(c10::elementSize(input.type()));
  at::Tensor input_gradient = needed.input ? input.empty_like() : at::Tensor();
  const at::Tensor packed = needed.input ? convolution.pack_for_gradient(weight) : at::Tensor();
  const NhwcView input_gradients(input_gradient), added_gradients(needed.added), maps(source.map);
  const int64_t images = input.sizes()[0];
  const int64_t ranges = std::min<int64_t>(at::get_num_threads(), images);
  const int64_t weight_sums = needed.weight ? convolution.weight_sums() : 0;
  at::Tensor range_sums = at::zeros({ranges, weight_sums}, at::kFloat);
  parallel_for_ranges(images, [&](int64_t first, int64_t last, int64_t thread) {
    ScratchScope range_scratch;
    OutputGradients output_gradients =
        source.write_row ? convolution.output_gradients(range_scratch) : OutputGradients{};
    for (int64_t n = first; n < last; n += convolution.group()) {
      const int64_t group = std::min(convolution.group(), last - n);
      if (!source.write_row) output_gradients = convolution.borderless_gradients(maps[n], value_bytes);
      for (int64_t k = 0; source.write_row && k < group; ++k) {
        for (int64_t r = 0; r < shape.out_height; ++r) source.write_row(n + k, r, thread, output_gradients.row(k, r));
      }
      if (needed.input)
        convolution.input_gradient(output_gradients, group, packed, added_gradients[n], input_gradients[n]);
      if (!needed.weight) continue;
      ScratchScope scratch;
      const void* pixels = input.pixels(n * shape.in_pixels(), group * shape.in_pixels(), scratch);
      convolution.add_weight_gradient(pixels, output_gradients, group,
                                      range_sums.data_ptr<float>() + thread * weight_sums);
    }
  });
  if (!needed.weight) return {input_gradient, {}};
  const at::Tensor total = ranges > 1 ? range_sums.sum(0) : range_sums;
  at::Tensor weight_gradient = at::empty_like(weight);
  convolution.unpack_weight_gradient(total.const_data_ptr<float>(), weight_gradient);
  return {input_gradient, weight_gradient};
}

std::shared_ptr<const ImageConvolution> image_convolution(at::IntArrayRef x, const at::Tensor& weight, int64_t stride,
                                                          int64_t padding, at::ScalarType type) {
  if (x.size() != 4 || c10::multiply_integers(x) == 0 || weight.scalar_type() != at::kFloat ||
      weight.size(2) != weight.size(3) || weight.size(1) != x[1]) {
    return nullptr;
  }
  const int64_t kernel = weight.size(2);
  const auto out = [&](int64_t size) { return (size + 2 * padding - kernel) / stride + 1; };
  // Smaller images than the kernel: PyTorch reports the error.
  if (x[2] + 2 * padding < kernel || x[3] + 2 * padding < kernel) return nullptr;
  return ImageConvolution::create({.in_channels = weight.size(1),
                                   .out_channels = weight.size(0),
                                   .kernel = kernel,
                                   .stride = stride,
                                   .padding = padding,
                                   .height = x[2],
                                   .width = x[3],
                                   .out_height = out(x[2]),
                                   .out_width = out(x[3])},
                                  type, x[0]);
}

at::Tensor empty_output(int64_t images, const ConvolutionShape& shape, at::ScalarType type) {
  return at::empty({images, shape.out_channels, shape.out_height, shape.out_width}, at::TensorOptions(type),
                   at::MemoryFormat::ChannelsLast);
}

}  // namespace reviewkd::ops
