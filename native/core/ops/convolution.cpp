#include "core/ops/convolution.h"

#include <ATen/ATen.h>

#include <cstring>

#include "core/ops/dispatch.h"

namespace reviewkd::ops {
namespace {

/// Slots of scratch memory.
constexpr int kImage = 0;
constexpr int kGradient = 1;
constexpr int kPairs = 2;  // also of transformed tiles

/// Input channels times taps up to which a kernel's values are gathered.
constexpr int64_t kMostGathered = 64;

/// Transformed values of a kernel.
constexpr int64_t kTransformed = 16;

int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

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

/// [block][tap][channel][16], or in bfloat16 [block][tap][channel / 2][16][2], of value(16 · block + lane, tap, channel).
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

std::optional<DirectConvolution> DirectConvolution::create(const ConvolutionShape& shape, at::ScalarType type) {
  const ConvolutionKernels* kernels = convolution_kernels(type);
  const bool kernel_fits = (shape.kernel == 1 && shape.padding == 0) || (shape.kernel == 3 && shape.padding == 1);
  const bool channels_fit = shape.out_channels % kLanes == 0 &&
                            (shape.in_channels % kLanes == 0 || shape.in_channels * shape.kernel * shape.kernel <= kMostGathered);
  if (kernels == nullptr || !kernel_fits || !channels_fit || (shape.stride != 1 && shape.stride != 2)) return std::nullopt;
  return DirectConvolution(shape, type, *kernels);
}

DirectConvolution::DirectConvolution(const ConvolutionShape& shape, at::ScalarType type, const ConvolutionKernels& kernels)
    : shape_(shape), type_(type), value_bytes_(static_cast<int64_t>(c10::elementSize(type))), kernels_(&kernels) {
  if (shape.in_channels % kLanes != 0) gathered_ = rounded_up(shape.in_channels * shape.kernel * shape.kernel, kLanes);
}

bool DirectConvolution::transforms() const {
  return winograd_kernels(type_) != nullptr && !gathers() && shape_.kernel == 3 && shape_.stride == 1 && shape_.height % 2 == 0 &&
         shape_.width % 2 == 0;
}

bool DirectConvolution::transforms_weight_gradient() const {
  // With few channels the transforms outweigh what they save.
  return transforms() && shape_.in_channels * shape_.out_channels > kLanes * kLanes;
}

void DirectConvolution::run(const Convolution& task) const {
  if (!transforms()) return kernels_->convolve(task);
  const WinogradKernels& kernels = *winograd_kernels(type_);
  kernels.convolve(task, scratch(kPairs, kernels.scratch_bytes(task)));
}

template <typename Weight>
at::Tensor DirectConvolution::pack_for(int64_t out_channels, int64_t in_channels, const Weight& weight) const {
  const int64_t blocks = out_channels / kLanes;
  if (!transforms()) return packed_of(blocks, taps(), in_channels, type_, weight);
  // G g Gᵀ of each pair of channels.
  at::Tensor transformed = at::empty({blocks, kTransformed, in_channels, kLanes}, at::kFloat);
  float* const data = transformed.data_ptr<float>();
  for (int64_t o = 0; o < out_channels; ++o) {
    for (int64_t i = 0; i < in_channels; ++i) {
      double rows[4][3];
      for (int64_t c = 0; c < 3; ++c) {
        const double g0 = weight(o, c, i), g1 = weight(o, 3 + c, i), g2 = weight(o, 6 + c, i);
        rows[0][c] = g0;
        rows[1][c] = (g0 + g1 + g2) / 2;
        rows[2][c] = (g0 - g1 + g2) / 2;
        rows[3][c] = g2;
      }
      float* to = data + (o / kLanes * kTransformed * in_channels + i) * kLanes + o % kLanes;
      for (const auto& [g0, g1, g2] : rows) {
        for (const double value : {g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2}) {
          *to = static_cast<float>(value);
          to += in_channels * kLanes;
        }
      }
    }
  }
  return transformed;
}

at::Tensor DirectConvolution::pack(const at::Tensor& weight, const float* factors) const {
  const WeightReader read(weight);
  const int64_t in = shape_.in_channels;
  const int64_t gathered_values = in * shape_.kernel * shape_.kernel;
  return pack_for(shape_.out_channels, channels(), [&](int64_t o, int64_t t, int64_t i) {
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
  // The input's gradient is a convolution of the output's with the kernel turned around; where tiles are transformed, that is what
  // they expect, and elsewhere the taps' offsets run backwards.
  const bool turned = transforms();
  return pack_for(shape_.in_channels, shape_.out_channels, [&](int64_t i, int64_t t, int64_t o) { return read(o, i, turned ? 8 - t : t); });
}

const void* DirectConvolution::lay_out(const void* image) const {
  if (gathers()) return gather(image);
  if (shape_.padding == 0) return image;
  const int64_t pixel = shape_.in_channels * value_bytes_;
  const int64_t row = shape_.width * pixel;
  const int64_t padded_row = row + 2 * pixel;
  auto* padded = static_cast<char*>(scratch(kImage, (shape_.height + 2) * padded_row));
  std::memset(padded, 0, padded_row + pixel);
  char* to = padded + padded_row + pixel;
  for (int64_t r = 0; r < shape_.height; ++r, to += padded_row) {
    std::memcpy(to, static_cast<const char*>(image) + r * row, row);
    std::memset(to + row, 0, 2 * pixel);  // the end of this row and the start of the next
  }
  std::memset(to, 0, row + pixel);
  return padded;
}

const void* DirectConvolution::gather(const void* image) const {
  const int64_t pixel = shape_.in_channels * value_bytes_;
  const int64_t gathered_pixel = gathered_ * value_bytes_;
  auto* to = static_cast<char*>(scratch(kImage, shape_.out_pixels() * gathered_pixel));
  char* const start = to;
  for (int64_t r = 0; r < shape_.out_height; ++r) {
    for (int64_t c = 0; c < shape_.out_width; ++c, to += gathered_pixel) {
      std::memset(to, 0, gathered_pixel);
      for (int64_t t = 0; t < shape_.kernel * shape_.kernel; ++t) {
        const int64_t y = r * shape_.stride + t / shape_.kernel - shape_.padding;
        const int64_t x = c * shape_.stride + t % shape_.kernel - shape_.padding;
        if (y < 0 || y >= shape_.height || x < 0 || x >= shape_.width) continue;
        std::memcpy(to + t * pixel, static_cast<const char*>(image) + (y * shape_.width + x) * pixel, pixel);
      }
    }
  }
  return start;
}

void DirectConvolution::forward(const void* laid_out, const at::Tensor& packed, const float* bias, const void* residual, bool relu,
                                void* out) const {
  const int64_t step = gathers() ? 1 : shape_.stride;
  Convolution task{
      .in = laid_out, .weights = packed.const_data_ptr(), .out = out,
      .taps = taps(), .offsets = {}, .weight_tap = {}, .weight_taps = taps(),
      .in_channels = channels(), .out_channels = shape_.out_channels,
      .in_pixel = step * channels(), .in_row = step * laid_out_width() * channels(),
      .out_pixel = shape_.out_channels, .out_row = shape_.out_width * shape_.out_channels,
      .rows = shape_.out_height, .columns = shape_.out_width,
      .bias = bias, .residual = residual, .relu = relu,
  };
  for (int64_t t = 0; t < task.taps; ++t) {
    task.offsets[t] = (t / shape_.kernel * laid_out_width() + t % shape_.kernel) * channels();
    task.weight_tap[t] = t;
  }
  run(task);
}

void* DirectConvolution::gradient_start() const {
  return scratch(kGradient, (shape_.out_height + 2 * shape_.padding) * gradient_width() * shape_.out_channels * value_bytes_);
}

void DirectConvolution::clear_gradient_border() const {
  if (shape_.padding == 0) return;
  const int64_t pixel = shape_.out_channels * value_bytes_;
  const int64_t row = gradient_width() * pixel;
  auto* padded = static_cast<char*>(gradient_start());
  std::memset(padded, 0, row + pixel);
  for (int64_t r = 1; r <= shape_.out_height; ++r) std::memset(padded + (r + 1) * row - pixel, 0, 2 * pixel);
  std::memset(padded + (shape_.out_height + 1) * row + pixel, 0, row - pixel);
}

void* DirectConvolution::gradient_row(int64_t r) const {
  const int64_t pixel = shape_.out_channels * value_bytes_;
  return static_cast<char*>(gradient_start()) + ((r + shape_.padding) * gradient_width() + shape_.padding) * pixel;
}

void DirectConvolution::input_gradient(const at::Tensor& packed, void* out) const {
  const int64_t stride = shape_.stride;
  const int64_t out_channels = shape_.out_channels;
  const void* const gradient = gradient_start();
  // Pixels of one parity in each direction meet the same taps.
  for (int64_t top = 0; top < stride && top < shape_.height; ++top) {
    for (int64_t left = 0; left < stride && left < shape_.width; ++left) {
      Convolution task{
          .in = gradient, .weights = packed.const_data_ptr(),
          .out = static_cast<char*>(out) + (top * shape_.width + left) * shape_.in_channels * value_bytes_,
          .taps = 0, .offsets = {}, .weight_tap = {}, .weight_taps = taps(),
          .in_channels = out_channels, .out_channels = shape_.in_channels,
          .in_pixel = out_channels, .in_row = gradient_width() * out_channels,
          .out_pixel = stride * shape_.in_channels, .out_row = stride * shape_.width * shape_.in_channels,
          .rows = (shape_.height - top + stride - 1) / stride, .columns = (shape_.width - left + stride - 1) / stride,
          .bias = nullptr, .residual = nullptr, .relu = false,
      };
      for (int64_t t = 0; t < taps(); ++t) {
        const int64_t down = top + shape_.padding - t / shape_.kernel;
        const int64_t right = left + shape_.padding - t % shape_.kernel;
        if (down % stride != 0 || right % stride != 0) continue;
        task.weight_tap[task.taps] = t;
        task.offsets[task.taps++] = ((down / stride + shape_.padding) * gradient_width() + right / stride + shape_.padding) * out_channels;
      }
      run(task);
    }
  }
}

void DirectConvolution::add_weight_gradient(const void* laid_out, float* sums) const {
  const int64_t step = gathers() ? 1 : shape_.stride;
  WeightGradient task{
      .in = laid_out, .gradient = gradient_row(0), .sums = sums, .scratch = nullptr,
      .taps = taps(), .offsets = {},
      .in_channels = channels(), .out_channels = shape_.out_channels,
      .in_pixel = step * channels(), .in_row = step * laid_out_width() * channels(),
      .gradient_pixel = shape_.out_channels, .gradient_row = gradient_width() * shape_.out_channels,
      .rows = shape_.out_height, .columns = shape_.out_width,
  };
  for (int64_t t = 0; t < task.taps; ++t) task.offsets[t] = (t / shape_.kernel * laid_out_width() + t % shape_.kernel) * channels();
  const WinogradKernels* const winograd = transforms_weight_gradient() ? winograd_kernels(type_) : nullptr;
  const int64_t bytes = winograd ? winograd->weight_gradient_scratch(task) : kernels_->weight_gradient_scratch(task);
  if (bytes > 0) task.scratch = scratch(kPairs, bytes);
  winograd ? winograd->add_weight_gradient(task) : kernels_->add_weight_gradient(task);
}

int64_t DirectConvolution::weight_sums() const { return (transforms_weight_gradient() ? kTransformed : taps()) * channels() * shape_.out_channels; }

void DirectConvolution::unpack_transformed(const float* sums, at::Tensor& gradient) const {
  float* const data = gradient.data_ptr<float>();
  const int64_t pairs = shape_.in_channels * shape_.out_channels;
  for (int64_t pair = 0; pair < pairs; ++pair) {
    // Gᵀ s G.
    double rows[3][4];
    for (int64_t c = 0; c < 4; ++c) {
      const double s0 = sums[c * pairs + pair], s1 = sums[(4 + c) * pairs + pair];
      const double s2 = sums[(8 + c) * pairs + pair], s3 = sums[(12 + c) * pairs + pair];
      rows[0][c] = s0 + (s1 + s2) / 2;
      rows[1][c] = (s1 - s2) / 2;
      rows[2][c] = (s1 + s2) / 2 + s3;
    }
    float* const to = data + pair / shape_.out_channels * gradient.stride(1) + pair % shape_.out_channels * gradient.stride(0);
    for (int64_t r = 0; r < 3; ++r) {
      const auto& [s0, s1, s2, s3] = rows[r];
      to[r * gradient.stride(2)] = static_cast<float>(s0 + (s1 + s2) / 2);
      to[r * gradient.stride(2) + gradient.stride(3)] = static_cast<float>((s1 - s2) / 2);
      to[r * gradient.stride(2) + 2 * gradient.stride(3)] = static_cast<float>((s1 + s2) / 2 + s3);
    }
  }
}

void DirectConvolution::unpack_weight_gradient(const float* sums, at::Tensor& gradient) const {
  if (transforms_weight_gradient()) return unpack_transformed(sums, gradient);
  float* const data = gradient.data_ptr<float>();
  const int64_t in = shape_.in_channels;
  for (int64_t t = 0; t < shape_.kernel * shape_.kernel; ++t) {
    for (int64_t i = 0; i < in; ++i) {
      const float* from = sums + (t * in + i) * shape_.out_channels;
      float* to = data + i * gradient.stride(1) + t / shape_.kernel * gradient.stride(2) + t % shape_.kernel * gradient.stride(3);
      for (int64_t o = 0; o < shape_.out_channels; ++o) to[o * gradient.stride(0)] = from[o];
    }
  }
}

}  // namespace reviewkd::ops
