#pragma once
// Direct convolutions: each image is copied with its padding, and every output is a sum over taps and channels.

#include "core/ops/backend/kernels.h"
#include "core/ops/convolution/image_convolution.h"

namespace reviewkd::ops {

class DirectConvolution : public ImageConvolution {
 public:
  /// Null if there are no kernels for this type or shape. Supported: 1×1 kernels without padding and 3×3 kernels with
  /// padding 1, strides 1 and 2, and multiples of 16 channels; a small number of input channels (an image's three)
  /// need not be one.
  static std::shared_ptr<const DirectConvolution> create(const ConvolutionShape& shape, at::ScalarType type);

  DirectConvolution(const ConvolutionShape& shape, at::ScalarType type, const ConvolutionKernels& kernels);

  int64_t most_shares() const override;
  int64_t most_gradient_shares() const override { return 1; }

  PackedOrder order() const override { return PackedOrder::kDirect; }

  at::Tensor pack(const at::Tensor& weight, const float* factors = nullptr) const override;
  at::Tensor pack_for_gradient(const at::Tensor& weight) const override;

  /// False if the values under a kernel are gathered: gradients of pixels are never needed.
  bool has_input_gradient() const override { return !gathers(); }

  void forward(const void* images, int64_t count, const at::Tensor& packed, const float* bias, const void* residual,
               bool relu, void* out, const WorkShare& share = {}) const override;

  bool has_gradient_border() const override { return shape().padding > 0; }
  OutputGradients output_gradients(ScratchScope& scratch) const override;
  void input_gradient(const OutputGradients& gradients, int64_t count, const at::Tensor& packed, const void* added,
                      void* out, const WorkShare& = {}) const override;
  void add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t count, float* sums,
                           const WorkShare& = {}) const override;

  int64_t weight_sums() const override;
  void unpack_weight_gradient(const float* sums, at::Tensor& gradient) const override;

 private:
  /// Whether the values under a kernel are gathered into the channels of one pixel.
  bool gathers() const { return gathered_ > 0; }
  int64_t taps() const { return gathers() ? 1 : shape().kernel * shape().kernel; }
  int64_t channels() const { return gathers() ? gathered_ : shape().in_channels; }
  int64_t laid_out_width() const { return gathers() ? shape().out_width : shape().width + 2 * shape().padding; }
  int64_t gradient_width() const { return shape().out_width + 2 * shape().padding; }
  /// One image, [H, W, I], copied with its padding to memory of `scratch`.
  const void* lay_out(const void* image, ScratchScope& scratch) const;
  const void* gather(const void* image, ScratchScope& scratch) const;

  at::ScalarType type_;
  int64_t value_bytes_;
  const ConvolutionKernels* kernels_;
  int64_t gathered_ = 0;
};

}  // namespace reviewkd::ops
