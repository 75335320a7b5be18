#pragma once
// Convolutions of a few images in channels-last order at a time, so that the caller can process them before and after
// while they are in the cache.

#include <ATen/core/Tensor.h>

#include <memory>

#include "core/ops/backend/scratch/scratch.h"
#include "core/ops/convolution/packed_order.h"

namespace reviewkd::ops {

/// A convolution with square kernels and equal strides and paddings in both directions.
struct ConvolutionShape {
  int64_t in_channels, out_channels;
  int64_t kernel, stride, padding;
  int64_t height, width;          // of the input
  int64_t out_height, out_width;

  int64_t in_pixels() const { return height * width; }
  int64_t out_pixels() const { return out_height * out_width; }
};

/// Memory for the output gradients of a group of images, [Ho, Wo, O] each, with the border that the convolution reads.
struct OutputGradients {
  std::byte* start;             // of the first image's border
  int64_t first_pixel;          // bytes from `start`
  int64_t image_bytes, row_bytes;  // from one to the next

  /// Row r of an image, [Wo, O].
  std::byte* row(int64_t image, int64_t r) const { return start + first_pixel + image * image_bytes + r * row_bytes; }
};

/// One of several equal shares of the work on a group of images, for threads that have fewer groups than they are.
struct WorkShare {
  int64_t index = 0, count = 1;

  /// The units of this share, of `units`.
  int64_t begin(int64_t units) const { return units * index / count; }
  int64_t end(int64_t units) const { return units * (index + 1) / count; }
};

class ImageConvolution {
 public:
  /// The fastest implementation on this processor for as many images of this type, or null.
  static std::shared_ptr<const ImageConvolution> create(const ConvolutionShape& shape, at::ScalarType type,
                                                        int64_t images);

  explicit ImageConvolution(const ConvolutionShape& shape) : shape_(shape) {}
  virtual ~ImageConvolution() = default;
  ImageConvolution(const ImageConvolution&) = delete;
  ImageConvolution& operator=(const ImageConvolution&) = delete;

  const ConvolutionShape& shape() const { return shape_; }

  /// The best number of images per call, and the upper bound of `count` parameters.
  virtual int64_t group() const { return 1; }
  /// The upper bound of shares of a group in `forward`, and in both gradients.
  virtual int64_t most_shares() const { return 1; }
  virtual int64_t most_gradient_shares() const { return most_shares(); }

  virtual PackedOrder order() const = 0;

  /// weight: [O, I, k, k], float32, in any order; each output channel is multiplied by its factor, if given -> the
  /// order that `forward` reads.
  virtual at::Tensor pack(const at::Tensor& weight, const float* factors = nullptr) const = 0;
  /// Whether packed weights that never change are better repacked for this many images than cached.
  virtual bool repacks_for(int64_t) const { return false; }
  /// The order that `input_gradient` reads.
  virtual at::Tensor pack_for_gradient(const at::Tensor& weight) const = 0;
  virtual bool has_input_gradient() const { return true; }

  /// images: [count, H, W, I] -> out, [count, Ho, Wo, O]. bias: [O], or null; residual: as out, or null.
  virtual void forward(const void* images, int64_t count, const at::Tensor& packed, const float* bias,
                       const void* residual, bool relu, void* out, const WorkShare& share = {}) const = 0;

  /// Whether output gradients are read with a border. Without one, those of a map in channels-last order need not be
  /// copied: see `borderless_gradients`.
  virtual bool has_gradient_border() const = 0;
  /// The gradients of images that follow each other, [Ho, Wo, O] each.
  OutputGradients borderless_gradients(void* images, int64_t value_bytes) const {
    const int64_t row = shape_.out_width * shape_.out_channels * value_bytes;
    return {.start = static_cast<std::byte*>(images),
            .first_pixel = 0,
            .image_bytes = shape_.out_height * row,
            .row_bytes = row};
  }
  /// Memory of `scratch` for the gradients of a group, whose rows the caller writes, group after group. The border
  /// stays zero.
  virtual OutputGradients output_gradients(ScratchScope& scratch) const = 0;
  /// out: [count, H, W, I], from the written rows; plus `added`, as out, or null.
  virtual void input_gradient(const OutputGradients& gradients, int64_t count, const at::Tensor& packed,
                              const void* added, void* out, const WorkShare& share = {}) const = 0;
  /// Accumulates into sums of `weight_sums` floats.
  virtual void add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t count, float* sums,
                                   const WorkShare& share = {}) const = 0;

  virtual int64_t weight_sums() const = 0;
  /// Converts sums to the weight's gradient, [O, I, k, k].
  virtual void unpack_weight_gradient(const float* sums, at::Tensor& gradient) const = 0;

 private:
  ConvolutionShape shape_;
};

}  // namespace reviewkd::ops
