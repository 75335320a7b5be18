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

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/ops/backend/device_fence.h"
#include "core/ops/backend/device_streams.h"
#include "core/ops/backend/recomputation.h"

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
    at::Tensor bias;   // the same in the layer's type, for a device's library
    DeviceFence made;  // on a device
    mutable std::atomic<bool> library_fuses = true;

    Folded(at::Tensor packed, at::Tensor shift, at::Tensor bias = {}) : packed(std::move(packed)), shift(std::move(shift)), bias(std::move(bias)) {}
    Folded(Folded&& other) noexcept : Folded(std::move(other.packed), std::move(other.shift), std::move(other.bias)) {}
  };

  /// What `fold` gave last, if nothing has changed since, for the current stream of its device. What is not to be kept is made for each call, and
  /// what is made while work is recorded belongs to the graph: no values stand in it before a replay.
  template <typename Fold>
  std::shared_ptr<const Folded> get(const ConvNormParameters& parameters, at::ScalarType type, const Fold& fold, bool keeps = true) {
    const std::lock_guard lock(mutex_);
    if (!keeps || (is_recording() && !is_current(parameters, type))) {
      folded_.reset();
      return std::make_shared<const Folded>(fold());
    }
    if (!is_current(parameters, type)) {
      auto folded = std::make_shared<Folded>(fold());
      folded->made.record(folded->packed.device());
      folded_ = std::move(folded);
      type_ = type;
      state_ = state_of(parameters);
    }
    share(*folded_);
    return folded_;
  }

 private:
  bool is_current(const ConvNormParameters& parameters, at::ScalarType type) const {
    return folded_ && type == type_ && state_of(parameters) == state_;
  }
  /// Orders the current stream behind the folding, and keeps the memory for it or for the graph that it records.
  static void share(const Folded& folded);
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
LazyTensor conv_norm(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded, const at::Tensor& residual, bool relu);

/// A branch's first layer, and what its shortcut begins with: x, whose two gradients are then summed while one of them is made.
struct WithShortcut {
  LazyTensor layer;
  at::Tensor x;
};

/// act(BN(conv(x))) as above, and x.
WithShortcut conv_norm_with_shortcut(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded, bool relu);

/// A map on both sides of its activation.
struct Activated {
  at::Tensor before;
  LazyTensor after;
};

/// BN(conv(x)) + residual, and ReLU of that.
Activated activated_conv_norm(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded, const at::Tensor& residual);

}  // namespace reviewkd::ops
