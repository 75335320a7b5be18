#pragma once
// Direct convolutions of images in channels-last order, one image at a time, so that whoever calls decides what happens to an
// image before and after while it lies in the cache.

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/ops/kernels/kernels.h"

namespace reviewkd::ops {

/// A convolution of square kernels and equal strides and paddings in both directions.
struct ConvolutionShape {
  int64_t in_channels, out_channels;
  int64_t kernel, stride, padding;
  int64_t height, width;          // of the input
  int64_t out_height, out_width;

  int64_t in_pixels() const { return height * width; }
  int64_t out_pixels() const { return out_height * out_width; }
};

class DirectConvolution {
 public:
  /// None where there are no kernels for this type or shape: they take 1×1 kernels without and 3×3 with a padding of 1, strides
  /// 1 and 2, and multiples of 16 channels; input channels that are few (an image's three) need not be.
  static std::optional<DirectConvolution> create(const ConvolutionShape& shape, at::ScalarType type);

  const ConvolutionShape& shape() const { return shape_; }

  /// weight: [O, I, k, k], float32, in any order; each output channel times its factor, where there are any -> the order that
  /// `forward` reads.
  at::Tensor pack(const at::Tensor& weight, const float* factors = nullptr) const;
  /// The order that `input_gradient` reads.
  at::Tensor pack_for_gradient(const at::Tensor& weight) const;

  /// False where the values under a kernel are gathered: nobody needs the gradient of pixels.
  bool has_input_gradient() const { return !gathers(); }

  /// One image, [H, W, I], laid out with its padding in the thread's scratch memory.
  const void* lay_out(const void* image) const;

  /// out: [Ho, Wo, O] of an image that was laid out.
  void forward(const void* laid_out, const at::Tensor& packed, const float* bias, const void* residual, bool relu, void* out) const;

  /// Where `gradient_row` r of an image, [Wo, O], is to be written; the border is zero.
  void* gradient_row(int64_t r) const;
  void clear_gradient_border() const;
  /// out: [H, W, I], from the rows that were written.
  void input_gradient(const at::Tensor& packed, void* out) const;
  /// Adds to sums of `weight_sums` floats.
  void add_weight_gradient(const void* laid_out, float* sums) const;

  int64_t weight_sums() const;
  /// Sums to the weight's gradient, [O, I, k, k].
  void unpack_weight_gradient(const float* sums, at::Tensor& gradient) const;

 private:
  DirectConvolution(const ConvolutionShape& shape, at::ScalarType type, const ConvolutionKernels& kernels);

  /// Whether the values under a kernel are gathered into the channels of one pixel.
  bool gathers() const { return gathered_ > 0; }
  /// Whether it runs on transformed weights (Winograd's algorithm).
  bool transforms() const;
  bool transforms_weight_gradient() const;
  void unpack_transformed(const float* sums, at::Tensor& gradient) const;
  /// weight(o, i, t) in the order that `run` reads.
  template <typename Weight>
  at::Tensor pack_for(int64_t out_channels, int64_t in_channels, const Weight& weight) const;
  void run(const Convolution& task) const;
  int64_t taps() const { return gathers() ? 1 : shape_.kernel * shape_.kernel; }
  int64_t channels() const { return gathers() ? gathered_ : shape_.in_channels; }
  int64_t laid_out_width() const { return gathers() ? shape_.out_width : shape_.width + 2 * shape_.padding; }
  int64_t gradient_width() const { return shape_.out_width + 2 * shape_.padding; }
  const void* gather(const void* image) const;
  void* gradient_start() const;

  ConvolutionShape shape_;
  at::ScalarType type_;
  int64_t value_bytes_;
  const ConvolutionKernels* kernels_;
  int64_t gathered_ = 0;
};

}  // namespace reviewkd::ops
