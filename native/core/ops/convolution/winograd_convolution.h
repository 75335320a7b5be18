#pragma once
// 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): a quarter of the products, plus transforms before and
// after.

#include "core/ops/backend/kernels.h"
#include "core/ops/convolution/image_convolution.h"

namespace reviewkd::ops {

class WinogradConvolution : public ImageConvolution {
 public:
  /// Null if there are no kernels for this type or shape. Supported: 3×3 with stride 1, padding 1 and multiples of 16
  /// channels.
  static std::shared_ptr<const WinogradConvolution> create(const ConvolutionShape& shape, at::ScalarType type);

  WinogradConvolution(const ConvolutionShape& shape, at::ScalarType type, const WinogradKernels& kernels);

  /// Enough for several dozen tiles, which then share one read of the filters.
  int64_t group() const override { return group_; }
  int64_t most_shares() const override;
  PackedOrder order() const override { return PackedOrder::kWinograd; }

  at::Tensor pack(const at::Tensor& weight, const float* factors = nullptr) const override;
  bool repacks_for(int64_t images) const override;
  at::Tensor pack_for_gradient(const at::Tensor& weight) const override;

  void forward(const void* images, int64_t count, const at::Tensor& packed, const float* bias, const void* residual,
               bool relu, void* out, const WorkShare& share = {}) const override;

  bool has_gradient_border() const override { return false; }
  OutputGradients output_gradients(ScratchScope& scratch) const override;
  void input_gradient(const OutputGradients& gradients, int64_t count, const at::Tensor& packed, const void* added,
                      void* out, const WorkShare& share = {}) const override;
  void add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t count, float* sums,
                           const WorkShare& share = {}) const override;

  int64_t weight_sums() const override;
  void unpack_weight_gradient(const float* sums, at::Tensor& gradient) const override;

 private:
  float* kernel_scratch(ScratchScope& scratch) const;
  /// A share of `count` images to `out`, with nothing added behind.
  Winograd convolution(const void* in, const at::Tensor& packed, void* out, int64_t count, const WorkShare& share,
                       ScratchScope& scratch) const;

  int64_t value_bytes_;
  const WinogradKernels* kernels_;
  int64_t group_;
};

}  // namespace reviewkd::ops
