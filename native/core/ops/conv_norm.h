#pragma once
// Convolution, batch normalization, what is added, and ReLU as one operation.
// Ioffe, Szegedy: "Batch Normalization" (ICML 2015).
//
// The fast path reads and writes each map as seldom as batch statistics allow. In training: one pass convolves and takes the
// moments while an image lies in the cache, a second normalizes, adds and activates; backward, one pass sums up, a second makes
// the gradient image by image and hands it to both of the convolution's gradients at once. Of the maps between two layers only what was
// convolved is kept: what the normalization made of it is made again where the next layer's gradient asks for it. With running statistics
// the normalization is folded into the weights, and one pass does all.

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/ops/recomputation.h"

namespace reviewkd::ops {

/// Dilation is 1; stride and padding are the same in both directions.
struct ConvNormParameters {
  at::Tensor weight;  // [O, I, k, k]
  at::Tensor bias;    // [O], undefined where there is none
  int64_t stride;
  int64_t padding;
  int64_t groups = 1;

  at::Tensor gamma, beta;                    // [O]
  at::Tensor running_mean, running_variance;  // [O]
  double epsilon;
  /// What part of the running statistics a batch replaces; they are moved in training alone.
  double momentum;
  bool training;
};

/// Weights into which running statistics are folded, kept until one of them changes. One for each layer; may be shared by threads.
class FoldedWeights {
 public:
  struct Folded {
    at::Tensor packed;
    at::Tensor shift;  // [O], float32
  };

  /// What `fold` gave last, if nothing has changed since. What is not to be kept is made for each call.
  template <typename Fold>
  std::shared_ptr<const Folded> get(const ConvNormParameters& parameters, at::ScalarType type, const Fold& fold, bool keeps = true) {
    const std::lock_guard lock(mutex_);
    if (!keeps) {
      folded_.reset();
      return std::make_shared<const Folded>(fold());
    }
    std::vector<std::pair<const void*, uint32_t>> state = state_of(parameters);
    if (!folded_ || type != type_ || state != state_) {
      folded_ = std::make_shared<const Folded>(fold());
      type_ = type;
      state_ = std::move(state);
    }
    return folded_;
  }

 private:
  static std::vector<std::pair<const void*, uint32_t>> state_of(const ConvNormParameters& parameters);

  std::mutex mutex_;
  std::shared_ptr<const Folded> folded_;
  at::ScalarType type_ = at::kFloat;
  std::vector<std::pair<const void*, uint32_t>> state_;
};

/// act(BN(conv(x)) + residual) by PyTorch's operations. x: [N, I, H, W]; residual: as the result, or undefined -> [N, O, Ho, Wo].
at::Tensor conv_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual, bool relu);

/// The same, by the fast path where it applies: float32 and bfloat16, shapes that ImageConvolution has kernels for
/// on this processor and, where gradients are asked for, training mode. Everything else, float64 with it, takes the reference.
/// The result is the caller's alone. Throws BATCH_TOO_SMALL where a channel would be normalized over a single value.
Map conv_norm(const Map& x, const ConvNormParameters& parameters, FoldedWeights& folded, const at::Tensor& residual, bool relu);

/// A branch's first layer, and what its shortcut begins with: x, whose two gradients are then summed while one of them is made.
struct Forked {
  Map layer;
  at::Tensor x;
};

/// act(BN(conv(x))) as above, and x.
Forked forked_conv_norm(const at::Tensor& x, const ConvNormParameters& parameters, FoldedWeights& folded, bool relu);

}  // namespace reviewkd::ops
