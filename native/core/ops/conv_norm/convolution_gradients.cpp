#include "core/ops/conv_norm/convolution_gradients.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/nhwc_view.h"

namespace reviewkd::ops {

namespace {

/// The rows that the source writes, as a map.
at::Tensor written(const OutputGradientSource& source, int64_t images, const ConvolutionShape& shape,
                   at::ScalarType type) {
  at::Tensor map = empty_output(images, shape, type);
  const NhwcView to(map);
  parallel_for_ranges(images * shape.out_height, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t k = first; k < last; ++k) {
      const int64_t image = k / shape.out_height, row = k % shape.out_height;
      source.write_row(image, row, to.pixel(image, row * shape.out_width));
    }
  });
  return map;
}

}  // namespace

ConvolutionGradients convolution_gradients(const ImageConvolution& convolution, const at::Tensor& weight,
                                           const SavedActivation& input, const OutputGradientSource& source,
                                           const NeededGradients& needed) {
  const ConvolutionShape& shape = convolution.shape();
  const int64_t most_shares = convolution.most_gradient_shares();
  const auto value_bytes = static_cast<int64_t>(c10::elementSize(input.type()));
  const int64_t images = input.sizes()[0];
  if (source.write_row && !convolution.has_gradient_border() && shares_of(convolution, images, most_shares) > 1) {
    // Shares of an image read each other's rows.
    return convolution_gradients(convolution, weight, input, {{}, written(source, images, shape, input.type())},
                                 needed);
  }
  at::Tensor input_gradient = needed.input ? input.empty_like() : at::Tensor();
  const at::Tensor packed = needed.input ? convolution.pack_for_gradient(weight) : at::Tensor();
  const NhwcView input_gradients(input_gradient), added_gradients(needed.added), maps(source.map);
  const int64_t weight_sums = needed.weight ? convolution.weight_sums() : 0;
  const int64_t threads =
      std::min<int64_t>(at::get_num_threads(), images * shares_of(convolution, images, most_shares));
  at::Tensor thread_sums = at::zeros({threads, weight_sums}, at::kFloat);
  const auto work = [&](int64_t n, int64_t group, const WorkShare& share, int64_t thread) {
    ScratchScope group_scratch;
    OutputGradients output_gradients{};
    if (source.write_row) {
      output_gradients = convolution.output_gradients(group_scratch);
      for (int64_t k = 0; k < group; ++k) {
        for (int64_t r = 0; r < shape.out_height; ++r) source.write_row(n + k, r, output_gradients.row(k, r));
      }
    } else {
      output_gradients = convolution.borderless_gradients(maps[n], value_bytes);
    }
    if (needed.input)
      convolution.input_gradient(output_gradients, group, packed, added_gradients[n], input_gradients[n], share);
    if (!needed.weight) return;
    ScratchScope scratch;
    const void* pixels = input.pixels(n * shape.in_pixels(), group * shape.in_pixels(), scratch);
    convolution.add_weight_gradient(pixels, output_gradients, group,
                                    thread_sums.data_ptr<float>() + thread * weight_sums, share);
  };
  parallel_for_groups(convolution, images, most_shares, work);
  if (!needed.weight) return {input_gradient, {}};
  const at::Tensor total = threads > 1 ? thread_sums.sum(0) : thread_sums;
  at::Tensor weight_gradient = at::empty_like(weight);
  convolution.unpack_weight_gradient(total.const_data_ptr<float>(), weight_gradient);
  return {input_gradient, weight_gradient};
}

int64_t shares_of(const ImageConvolution& convolution, int64_t images, int64_t most) {
  const int64_t groups = (images + convolution.group() - 1) / convolution.group();
  return std::clamp<int64_t>(at::get_num_threads() / groups, 1, most);
}

void parallel_for_groups(const ImageConvolution& convolution, int64_t images, int64_t most_shares,
                         const std::function<void(int64_t, int64_t, const WorkShare&, int64_t)>& work) {
  const int64_t shares = shares_of(convolution, images, most_shares);
  if (shares == 1) {
    parallel_for_ranges(images, [&](int64_t first, int64_t last, int64_t thread) {
      for (int64_t n = first; n < last; n += convolution.group())
        work(n, std::min(convolution.group(), last - n), {}, thread);
    });
    return;
  }
  const int64_t groups = (images + convolution.group() - 1) / convolution.group();
  parallel_for_ranges(groups * shares, [&](int64_t first, int64_t last, int64_t thread) {
    for (int64_t k = first; k < last; ++k) {
      const int64_t n = k / shares * convolution.group();
      work(n, std::min(convolution.group(), images - n), {k % shares, shares}, thread);
    }
  });
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
