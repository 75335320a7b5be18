#pragma once
// Both gradients of a convolution in one pass over the images, so that what is written of an image's gradient is read
// while it is in the cache.

#include <functional>

#include "core/ops/backend/graph/recomputation.h"
#include "core/ops/convolution/image_convolution.h"

namespace reviewkd::ops {

struct ConvolutionGradients {
  at::Tensor input, weight;  // undefined if not needed
};

/// Where the gradient of a convolution's output comes from: the rows that `write_row` writes or, if it is empty, the
/// images of a map that is read where it is.
struct OutputGradientSource {
  using WriteRow = std::function<void(int64_t image, int64_t row, void* out)>;

  WriteRow write_row;
  at::Tensor map;  // in channels-last order
};

/// Which gradients are computed, and what is added to the input's, or undefined.
struct NeededGradients {
  bool input, weight;
  at::Tensor added;
};

ConvolutionGradients convolution_gradients(const ImageConvolution& convolution, const at::Tensor& weight,
                                           const SavedActivation& input, const OutputGradientSource& source,
                                           const NeededGradients& needed);

/// How many shares each group of images is divided into so that threads have work, at most so many.
int64_t shares_of(const ImageConvolution& convolution, int64_t images, int64_t most);

/// Calls work(first image, images, share, thread) for groups of images, or for shares of them, in parallel.
void parallel_for_groups(const ImageConvolution& convolution, int64_t images, int64_t most_shares,
                         const std::function<void(int64_t, int64_t, const WorkShare&, int64_t)>& work);

/// The fastest convolution for an input of these sizes, or null: weight is [O, I, k, k].
std::shared_ptr<const ImageConvolution> image_convolution(at::IntArrayRef x, const at::Tensor& weight, int64_t stride,
                                                          int64_t padding, at::ScalarType type);

/// [images, O, Ho, Wo], in channels-last order.
at::Tensor empty_output(int64_t images, const ConvolutionShape& shape, at::ScalarType type);

}  // namespace reviewkd::ops
