#pragma once
// Convolutions as matrix products of PyTorch's library: of pixels by channels or, for larger kernels, of the gathered
// values under a kernel. The fastest way where there are many channels and Winograd's transforms do not pay.

#include <algorithm>

#include "core/ops/convolution/image_convolution.h"

namespace reviewkd::ops {

class MatrixConvolution : public ImageConvolution {
 public:
  /// Null unless values are float32; any shape is supported.
  static std::shared_ptr<const MatrixConvolution> create(const ConvolutionShape& shape, at::ScalarType type);

  explicit MatrixConvolution(const ConvolutionShape& shape);

  /// Enough pixels for the products to be efficient.
  int64_t group() const override { return group_; }
  int64_t most_shares() const override { return std::max<int64_t>(1, group_ * shape().out_pixels() / block_); }
  /// Kernels of several pixels add to one another's input gradients.
  int64_t most_gradient_shares() const override { return is_pointwise() ? most_shares() : 1; }
  PackedOrder order() const override { return PackedOrder::kMatrix; }

  at::Tensor pack(const at::Tensor& weight, const float* factors = nullptr) const override;
  at::Tensor pack_for_gradient(const at::Tensor& weight) const override { return pack(weight); }

  void forward(const void* images, int64_t count, const at::Tensor& packed, const float* bias, const void* residual,
               bool relu, void* out, const WorkShare& share = {}) const override;

  bool has_gradient_border() const override { return false; }
  OutputGradients output_gradients(ScratchScope& scratch) const override;
  void input_gradient(const OutputGradients& gradients, int64_t count, const at::Tensor& packed, const void* added,
                      void* out, const WorkShare& share = {}) const override;
  void add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t count, float* sums,
                           const WorkShare& share = {}) const override;

  int64_t weight_sums() const override { return values() * shape().out_channels; }
  void unpack_weight_gradient(const float* sums, at::Tensor& gradient) const override;

 private:
  /// Values under a kernel: [k, k, I].
  int64_t values() const { return shape().kernel * shape().kernel * shape().in_channels; }
  /// Whether the values under a kernel are one pixel's channels, in the order of the output's pixels.
  bool is_pointwise() const { return shape().kernel == 1 && shape().stride == 1 && shape().padding == 0; }

  /// Calls work(first, count) for the share's blocks of the output pixels of `images` images, counted over all of them.
  template <typename Work>
  void each_block(int64_t images, const WorkShare& share, const Work& work) const;
  /// Calls body(value index, input pixel or -1 where the kernel exceeds the image, pixels) for runs of adjacent pixels
  /// under the kernel of an output pixel.
  template <typename Body>
  void each_run(int64_t out_pixel, const Body& body) const;
  /// The values under the kernels of output pixels first … first + count: [count, k, k, I].
  const float* gathered(const float* images, int64_t first, int64_t count, ScratchScope& scratch) const;
  /// The reverse: adds them to the images' pixels.
  void scatter(const float* gathered, int64_t first, int64_t count, float* images) const;

  int64_t block_, group_;  // pixels, images
};

}  // namespace reviewkd::ops
