#include "core/ops/convolution/convolution.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "core/base/rounding.h"
#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

/// The largest product of input channels and taps for which a kernel's values are gathered.
constexpr int64_t kMostGathered = 64;

/// weight[o, i, t] by strides, whatever the memory order.
class WeightReader {
 public:
  explicit WeightReader(const at::Tensor& weight)
      : data_(weight.const_data_ptr<float>()),
        out_(weight.stride(0)),
        in_(weight.stride(1)),
        row_(weight.stride(2)),
        column_(weight.stride(3)),
        kernel_(weight.size(3)) {}

  float operator()(int64_t o, int64_t i, int64_t t) const {
    return data_[o * out_ + i * in_ + t / kernel_ * row_ + t % kernel_ * column_];
  }

 private:
  const float* data_;
  int64_t out_, in_, row_, column_, kernel_;
};

/// [block][tap][channel][16], or in bfloat16 [block][tap][channel / 2][16][2], of value(16 · block + lane, tap,
/// channel).
template <typename Value>
at::Tensor packed_of(int64_t blocks, int64_t taps, int64_t channels, at::ScalarType type, const Value& value) {
  at::Tensor packed = at::empty({blocks * taps * channels * kLanes}, at::TensorOptions(type));
  const auto fill = [&](auto* to, int64_t group) {
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t channel = 0; channel < channels; channel += group) {
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            for (int64_t k = 0; k < group; ++k) *to++ = value(block * kLanes + lane, tap, channel + k);
          }
        }
      }
    }
  };
  if (type == at::kFloat) {
    fill(packed.data_ptr<float>(), 1);
  } else {
    fill(packed.data_ptr<at::BFloat16>(), 2);
  }
  return packed;
}

}  // namespace

std::shared_ptr<const DirectConvolution> DirectConvolution::create(const ConvolutionShape& shape, at::ScalarType type) {
  const ConvolutionKernels* kernels = convolution_kernels(type);
  const bool kernel_fits = (shape.kernel == 1 && shape.padding == 0) || (shape.kernel == 3 && shape.padding == 1);
  const bool channels_fit =
      shape.out_channels % kLanes == 0 &&
      (shape.in_channels % kLanes == 0 || shape.in_channels * shape.kernel * shape.kernel <= kMostGathered);
  if (kernels == nullptr || !kernel_fits || !channels_fit || (shape.stride != 1 && shape.stride != 2)) return nullptr;
  return std::make_shared<const DirectConvolution>(shape, type, *kernels);
}

DirectConvolution::DirectConvolution(const ConvolutionShape& shape, at::ScalarType type,
                                     const ConvolutionKernels& kernels)
    : ImageConvolution(shape),
      type_(type),
      value_bytes_(static_cast<int64_t>(c10::elementSize(type))),
      kernels_(&kernels) {
  if (shape.in_channels % kLanes != 0) gathered_ = rounded_up(shape.in_channels * shape.kernel * shape.kernel, kLanes);
}

at::Tensor DirectConvolution::pack(const at::Tensor& weight, const float* factors) const {
  const WeightReader read(weight);
  const int64_t in = shape().in_channels;
  const int64_t gathered_values = in * shape().kernel * shape().kernel;
  return packed_of(shape().out_channels / kLanes, taps(), channels(), type_, [&](int64_t o, int64_t t, int64_t i) {
    if (gathers()) {
      if (i >= gathered_values) return 0.0f;
      t = i / in;
      i = i % in;
    }
    return read(o, i, t) * (factors == nullptr ? 1.0f : factors[o]);
  });
}

at::Tensor DirectConvolution::pack_for_gradient(const at::Tensor& weight) const {
  const WeightReader read(weight);
  return packed_of(shape().in_channels / kLanes, taps(), shape().out_channels, type_,
                   [&](int64_t i, int64_t t, int64_t o) { return read(o, i, t); });
}

int64_t DirectConvolution::most_shares() const {
  // Each share lays out the whole image, which takes about as long as two rows.
  constexpr int64_t kFewRows = 8;
  return std::max<int64_t>(1, shape().out_height / kFewRows);
}

const void* DirectConvolution::lay_out(const void* image, ScratchScope& scratch) const {
  if (gathers()) return gather(image, scratch);
  if (shape().padding == 0) return image;
  const int64_t pixel = shape().in_channels * value_bytes_;
  const int64_t row = shape().width * pixel;
  const int64_t padded_row = row + 2 * pixel;
  char* const padded = scratch.take<char>((shape().height + 2) * padded_row).data();
  std::memset(padded, 0, padded_row + pixel);
  char* to = padded + padded_row + pixel;
  for (int64_t r = 0; r < shape().height; ++r, to += padded_row) {
    std::memcpy(to, static_cast<const char*>(image) + r * row, row);
    std::memset(to + row, 0, 2 * pixel);  // the end of this row and the start of the next
  }
  std::memset(to, 0, row + pixel);
  return padded;
}

const void* DirectConvolution::gather(const void* image, ScratchScope& scratch) const {
  const int64_t kernel = shape().kernel;
  const int64_t pixel = shape().in_channels * value_bytes_;
  const int64_t gathered_pixel = gathered_ * value_bytes_;
  char* to = scratch.take<char>(shape().out_pixels() * gathered_pixel).data();
  char* const start = to;
  for (int64_t r = 0; r < shape().out_height; ++r) {
    for (int64_t c = 0; c < shape().out_width; ++c, to += gathered_pixel) {
      std::memset(to, 0, gathered_pixel);
      // The pixels of a kernel row are adjacent, except for those outside the image.
      const int64_t left = c * shape().stride - shape().padding;
      const int64_t first = std::max<int64_t>(0, -left);
      const int64_t count = std::min(kernel, shape().width - left) - first;
      if (count <= 0) continue;
      for (int64_t k = 0; k < kernel; ++k) {
        const int64_t y = r * shape().stride + k - shape().padding;
        if (y < 0 || y >= shape().height) continue;
        std::memcpy(to + (k * kernel + first) * pixel,
                    static_cast<const char*>(image) + (y * shape().width + left + first) * pixel, count * pixel);
      }
    }
  }
  return start;
}

void DirectConvolution::forward(const void* images, int64_t, const at::Tensor& packed, const float* bias,
                                const void* residual, bool relu, void* out, const WorkShare& share) const {
  const int64_t step = gathers() ? 1 : shape().stride;
  const int64_t first = share.begin(shape().out_height);
  const int64_t in_row = step * laid_out_width() * channels();
  const int64_t out_row = shape().out_width * shape().out_channels;
  const int64_t skipped = first * out_row * value_bytes_;
  ScratchScope scratch;
  Convolution task{
      .in = static_cast<const char*>(lay_out(images, scratch)) + first * in_row * value_bytes_,
      .weights = packed.const_data_ptr(),
      .out = static_cast<char*>(out) + skipped,
      .taps = taps(),
      .offsets = {},
      .weight_tap = {},
      .weight_taps = taps(),
      .in_channels = channels(),
      .out_channels = shape().out_channels,
      .in_pixel = step * channels(),
      .in_row = in_row,
      .out_pixel = shape().out_channels,
      .out_row = out_row,
      .rows = share.end(shape().out_height) - first,
      .columns = shape().out_width,
      .bias = bias,
      .residual = residual == nullptr ? nullptr : static_cast<const char*>(residual) + skipped,
      .relu = relu,
  };
  for (int64_t t = 0; t < task.taps; ++t) {
    task.offsets[t] = (t / shape().kernel * laid_out_width() + t % shape().kernel) * channels();
    task.weight_tap[t] = t;
  }
  kernels_->convolve(task);
}

OutputGradients DirectConvolution::output_gradients(ScratchScope& scratch) const {
  const int64_t pixel = shape().out_channels * value_bytes_;
  const int64_t row = gradient_width() * pixel;
  const int64_t padding = shape().padding;
  const int64_t image = (shape().out_height + 2 * padding) * row;
  std::byte* const padded = scratch.take<std::byte>(image).data();
  if (padding > 0) {
    std::memset(padded, 0, row + pixel);
    for (int64_t r = 1; r <= shape().out_height; ++r) std::memset(padded + (r + 1) * row - pixel, 0, 2 * pixel);
    std::memset(padded + (shape().out_height + 1) * row + pixel, 0, row - pixel);
  }
  return {.start = padded, .first_pixel = padding * (row + pixel), .image_bytes = image, .row_bytes = row};
}

void DirectConvolution::input_gradient(const OutputGradients& gradients, int64_t, const at::Tensor& packed,
                                       const void* added, void* out, const WorkShare&) const {
  const int64_t stride = shape().stride;
  const int64_t out_channels = shape().out_channels;
  // Pixels with equal parity in each direction use the same taps.
  for (int64_t top = 0; top < stride && top < shape().height; ++top) {
    for (int64_t left = 0; left < stride && left < shape().width; ++left) {
      const int64_t start = (top * shape().width + left) * shape().in_channels * value_bytes_;
      Convolution task{
          .in = gradients.start,
          .weights = packed.const_data_ptr(),
          .out = static_cast<char*>(out) + start,
          .taps = 0,
          .offsets = {},
          .weight_tap = {},
          .weight_taps = taps(),
          .in_channels = out_channels,
          .out_channels = shape().in_channels,
          .in_pixel = out_channels,
          .in_row = gradient_width() * out_channels,
          .out_pixel = stride * shape().in_channels,
          .out_row = stride * shape().width * shape().in_channels,
          .rows = (shape().height - top + stride - 1) / stride,
          .columns = (shape().width - left + stride - 1) / stride,
          .bias = nullptr,
          .residual = added == nullptr ? nullptr : static_cast<const char*>(added) + start,
          .relu = false,
      };
      for (int64_t t = 0; t < taps(); ++t) {
        const int64_t down = top + shape().padding - t / shape().kernel;
        const int64_t right = left + shape().padding - t % shape().kernel;
        if (down % stride != 0 || right % stride != 0) continue;
        task.weight_tap[task.taps] = t;
        task.offsets[task.taps++] =
            ((down / stride + shape().padding) * gradient_width() + right / stride + shape().padding) * out_channels;
      }
      kernels_->convolve(task);
    }
  }
}

void DirectConvolution::add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t, float* sums,
                                            const WorkShare&) const {
  const int64_t step = gathers() ? 1 : shape().stride;
  ScratchScope scratch;
  WeightGradient task{
      .in = lay_out(images, scratch),
      .gradient = gradients.row(0, 0),
      .sums = sums,
      .scratch = nullptr,
      .taps = taps(),
      .offsets = {},
      .in_channels = channels(),
      .out_channels = shape().out_channels,
      .in_pixel = step * channels(),
      .in_row = step * laid_out_width() * channels(),
      .gradient_pixel = shape().out_channels,
      .gradient_row = gradient_width() * shape().out_channels,
      .rows = shape().out_height,
      .columns = shape().out_width,
  };
  for (int64_t t = 0; t < task.taps; ++t)
    task.offsets[t] = (t / shape().kernel * laid_out_width() + t % shape().kernel) * channels();
  if (const int64_t bytes = kernels_->weight_gradient_scratch(task); bytes > 0)
    task.scratch = scratch.take<std::byte>(bytes).data();
  kernels_->add_weight_gradient(task);
}

int64_t DirectConvolution::weight_sums() const { return taps() * channels() * shape().out_channels; }

void DirectConvolution::unpack_weight_gradient(const float* sums, at::Tensor& gradient) const {
  float* const data = gradient.data_ptr<float>();
  const int64_t in = shape().in_channels;
  for (int64_t t = 0; t < shape().kernel * shape().kernel; ++t) {
    for (int64_t i = 0; i < in; ++i) {
      const float* from = sums + (t * in + i) * shape().out_channels;
      float* to = data + i * gradient.stride(1) + t / shape().kernel * gradient.stride(2) +
                  t % shape().kernel * gradient.stride(3);
      for (int64_t o = 0; o < shape().out_channels; ++o) to[o * gradient.stride(0)] = from[o];
    }
  }
}

}  // namespace reviewkd::ops
