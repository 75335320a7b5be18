#include "core/ops/convolution/matrix_convolution.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

/// A matrix product is near its best rate from this many rows on.
constexpr int64_t kManyRows = 256;
/// Bytes of the rows of a product that is processed further, so that they stay in the core's cache.
constexpr int64_t kBlockBytes = int64_t{1} << 20;
constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));

/// A matrix in memory of the caller.
at::Tensor matrix(const float* values, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<float*>(values), {rows, columns}, at::kFloat);
}

/// to = left · right
void multiply(const at::Tensor& left, const at::Tensor& right, float* to) {
  at::Tensor result = matrix(to, left.size(0), right.size(1));
  at::mm_out(result, left, right);
}

/// values + bias + residual where given, and ReLU, in place.
void finish(float* values, int64_t rows, int64_t channels, const float* bias, const float* residual, bool relu) {
  if (bias == nullptr && residual == nullptr && !relu) return;
  const std::vector<float> ones(static_cast<size_t>(channels), 1.0f), zeros(static_cast<size_t>(channels));
  map_kernels(at::kFloat)
      ->channels.normalize(values, ones.data(), bias == nullptr ? zeros.data() : bias, residual, relu, values, rows,
                           channels);
}

const float* gradient_values(const OutputGradients& gradients) {
  return reinterpret_cast<const float*>(gradients.start + gradients.first_pixel);
}

}  // namespace

std::shared_ptr<const MatrixConvolution> MatrixConvolution::create(const ConvolutionShape& shape, at::ScalarType type) {
  return type == at::kFloat ? std::make_shared<const MatrixConvolution>(shape) : nullptr;
}

MatrixConvolution::MatrixConvolution(const ConvolutionShape& shape)
    : ImageConvolution(shape),
      block_(std::max(kManyRows, kBlockBytes / (kFloatBytes * std::max(shape.out_channels, values())))),
      group_(std::max<int64_t>(1, block_ / shape.out_pixels())) {}

at::Tensor MatrixConvolution::pack(const at::Tensor& weight, const float* factors) const {
  const at::Tensor ordered = weight.detach().permute({0, 2, 3, 1}).reshape({shape().out_channels, values()});
  if (factors == nullptr) return ordered.contiguous();
  return ordered * matrix(factors, shape().out_channels, 1);
}

void MatrixConvolution::forward(const void* images, int64_t count, const at::Tensor& packed, const float* bias,
                                const void* residual, bool relu, void* out, const WorkShare& share) const {
  const at::Tensor right = packed.t();
  const int64_t channels = shape().out_channels;
  each_block(count, share, [&](int64_t first, int64_t pixels) {
    ScratchScope scratch;
    const float* left = gathered(static_cast<const float*>(images), first, pixels, scratch);
    float* const to = static_cast<float*>(out) + first * channels;
    multiply(matrix(left, pixels, values()), right, to);
    const float* const added = residual == nullptr ? nullptr : static_cast<const float*>(residual) + first * channels;
    finish(to, pixels, channels, bias, added, relu);
  });
}

OutputGradients MatrixConvolution::output_gradients(ScratchScope& scratch) const {
  OutputGradients gradients = borderless_gradients(nullptr, kFloatBytes);
  gradients.start = scratch.take<std::byte>(group_ * gradients.image_bytes).data();
  return gradients;
}

void MatrixConvolution::input_gradient(const OutputGradients& gradients, int64_t count, const at::Tensor& packed,
                                       const void* added, void* out, const WorkShare& share) const {
  const int64_t channels = shape().in_channels;
  const auto* const start = static_cast<const float*>(added);
  auto* const to = static_cast<float*>(out);
  if (!is_pointwise()) {
    const auto bytes = static_cast<size_t>(count * shape().in_pixels() * channels * kFloatBytes);
    if (start == nullptr) std::memset(to, 0, bytes);
    else if (start != to) std::memcpy(to, start, bytes);
  }
  each_block(count, share, [&](int64_t first, int64_t pixels) {
    const float* const rows = gradient_values(gradients) + first * shape().out_channels;
    const at::Tensor left = matrix(rows, pixels, shape().out_channels);
    if (is_pointwise()) {
      multiply(left, packed, to + first * channels);
      finish(to + first * channels, pixels, channels, nullptr, start == nullptr ? nullptr : start + first * channels,
             false);
      return;
    }
    ScratchScope scratch;
    float* const products = scratch.take<float>(pixels * values()).data();
    multiply(left, packed, products);
    scatter(products, first, pixels, to);
  });
}

void MatrixConvolution::add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t count,
                                            float* sums, const WorkShare& share) const {
  at::Tensor total = matrix(sums, shape().out_channels, values());
  each_block(count, share, [&](int64_t first, int64_t pixels) {
    ScratchScope scratch;
    const float* const right = gathered(static_cast<const float*>(images), first, pixels, scratch);
    const float* const rows = gradient_values(gradients) + first * shape().out_channels;
    at::addmm_out(total, total, matrix(rows, pixels, shape().out_channels).t(), matrix(right, pixels, values()));
  });
}

void MatrixConvolution::unpack_weight_gradient(const float* sums, at::Tensor& gradient) const {
  const int64_t kernel = shape().kernel;
  gradient.copy_(matrix(sums, shape().out_channels, values())
                     .view({shape().out_channels, kernel, kernel, shape().in_channels})
                     .permute({0, 3, 1, 2}));
}

template <typename Work>
void MatrixConvolution::each_block(int64_t images, const WorkShare& share, const Work& work) const {
  const int64_t count = images * shape().out_pixels();
  const int64_t blocks = (count + block_ - 1) / block_;
  for (int64_t k = share.begin(blocks); k < share.end(blocks); ++k)
    work(k * block_, std::min(block_, count - k * block_));
}

template <typename Body>
void MatrixConvolution::each_run(int64_t out_pixel, const Body& body) const {
  const auto& [in, out, kernel, stride, padding, height, width, out_height, out_width] = shape();
  const int64_t image = out_pixel / shape().out_pixels(), inside = out_pixel % shape().out_pixels();
  const int64_t top = inside / out_width * stride - padding, left = inside % out_width * stride - padding;
  const int64_t before = std::min(kernel, std::max<int64_t>(0, -left));
  const int64_t end = std::max(before, std::min(kernel, width - left));
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t y = top + k;
    if (y < 0 || y >= height) {
      body(k * kernel, -1, kernel);
      continue;
    }
    if (before > 0) body(k * kernel, -1, before);
    if (end > before) body(k * kernel + before, (image * height + y) * width + left + before, end - before);
    if (end < kernel) body(k * kernel + end, -1, kernel - end);
  }
}

const float* MatrixConvolution::gathered(const float* images, int64_t first, int64_t count,
                                         ScratchScope& scratch) const {
  const int64_t channels = shape().in_channels;
  if (is_pointwise()) return images + first * channels;
  float* const result = scratch.take<float>(count * values()).data();
  for (int64_t p = 0; p < count; ++p) {
    each_run(first + p, [&](int64_t position, int64_t pixel, int64_t pixels) {
      float* const to = result + p * values() + position * channels;
      const auto bytes = static_cast<size_t>(pixels * channels * kFloatBytes);
      if (pixel < 0) std::memset(to, 0, bytes);
      else std::memcpy(to, images + pixel * channels, bytes);
    });
  }
  return result;
}

void MatrixConvolution::scatter(const float* gathered, int64_t first, int64_t count, float* images) const {
  const int64_t channels = shape().in_channels;
  for (int64_t p = 0; p < count; ++p) {
    each_run(first + p, [&](int64_t position, int64_t pixel, int64_t pixels) {
      if (pixel < 0) return;
      const float* const from = gathered + p * values() + position * channels;
      float* const to = images + pixel * channels;
      for (int64_t i = 0; i < pixels * channels; ++i) to[i] += from[i];
    });
  }
}

}  // namespace reviewkd::ops
