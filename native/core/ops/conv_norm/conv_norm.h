#pragma once
// Convolution, batch normalization, residual addition and ReLU as one operation.
// Ioffe, Szegedy: "Batch Normalization" (ICML 2015).
//
// The fast path reads and writes each map as few times as batch statistics allow. In training, one pass convolves and
// computes the moments while an image is in the cache, and a second normalizes, adds and activates. Backward, one
// pass computes the sums, and a second computes the gradient image by image and passes it to both of the
// convolution's gradients at once. Of the maps between two layers only the convolution's output is saved: the
// normalized activation is recomputed when the next layer's backward pass needs it. With running statistics the
// normalization is folded into the weights, and one pass does everything; see affine_convolution.h for its gradients.

#include <ATen/core/Tensor.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/ops/backend/device_fence.h"
#include "core/ops/backend/device_streams.h"
#include "core/ops/backend/graph/recomputation.h"
#include "core/ops/convolution/packed_order.h"

namespace reviewkd::ops {

/// Dilation is 1; stride and padding are equal in both directions.
struct ConvNormParameters {
  at::Tensor weight;  // [O, I, k, k]
  at::Tensor bias;    // [O], undefined without a bias
  int64_t stride;
  int64_t padding;
  int64_t groups = 1;

  at::Tensor gamma, beta;                    // [O]
  at::Tensor running_mean, running_variance;  // [O]
  double epsilon;
  /// Fraction of the running statistics that a batch replaces; they are updated only in training.
  double momentum;
  bool training;
};

/// Weights with folded running statistics, cached until one of them changes. One per layer; may be shared by threads.
class FoldedWeights {
 public:
  struct Folded {
    at::Tensor packed;
    at::Tensor shift;  // [O], float32
    at::Tensor bias;   // the same in the layer's type, for a device library
    DeviceFence fence;  // on a device
    mutable std::atomic<bool> library_fuses = true;

    Folded(at::Tensor packed, at::Tensor shift, at::Tensor bias = {})
        : packed(std::move(packed)), shift(std::move(shift)), bias(std::move(bias)) {}
    Folded(Folded&& other) noexcept : Folded(std::move(other.packed), std::move(other.shift), std::move(other.bias)) {}
  };

  /// The last result of `fold` if nothing has changed since, ready for the current stream of its device. Uncacheable
  /// results are recomputed on each call, and results created while recording belong to the graph: they hold no
  /// values before a replay.
  template <typename Fold>
  std::shared_ptr<const Folded> get(const ConvNormParameters& parameters, at::ScalarType type, const Fold& fold,
                                    bool keeps = true, PackedOrder order = PackedOrder::kMatrix) {
    const std::lock_guard lock(mutex_);
    const bool is_current = folded_ && type == type_ && order == order_ && state_of(parameters) == state_;
    if (!keeps || (is_recording() && !is_current)) {
      folded_.reset();
      return std::make_shared<const Folded>(fold());
    }
    if (!is_current) {
      auto folded = std::make_shared<Folded>(fold());
      folded->fence.record(folded->packed.device());
      folded_ = std::move(folded);
      type_ = type;
      order_ = order;
      state_ = state_of(parameters);
    }
    share(*folded_);
    return folded_;
  }

 private:
  /// Orders the current stream after the folding, and keeps the memory for it or for the graph being recorded.
  static void share(const Folded& folded);
  static std::vector<std::pair<const void*, uint32_t>> state_of(const ConvNormParameters& parameters);

  std::mutex mutex_;
  std::shared_ptr<const Folded> folded_;
  at::ScalarType type_ = at::kFloat;
  PackedOrder order_ = PackedOrder::kMatrix;
  std::vector<std::pair<const void*, uint32_t>> state_;
};

/// act(BN(conv(x)) + residual) with PyTorch's operations. x: [N, I, H, W]; residual: shaped like the result, or
/// undefined -> [N, O, Ho, Wo].
at::Tensor conv_norm_reference(const at::Tensor& x, const ConvNormParameters& parameters, const at::Tensor& residual,
                               bool relu);

/// Computes the same function. The fast path supports float32 and bfloat16 and shapes for which ImageConvolution has
/// kernels on this processor, with gradients in training mode or if the normalization is frozen: none of its tensors
/// requires one. All other inputs, float64 included, take the reference path. The caller owns the result exclusively. Throws BATCH_TOO_SMALL if a channel would be
/// normalized over a single value.
LazyTensor conv_norm(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                     const at::Tensor& residual, bool relu);

/// The first layer of a residual branch, and x for its shortcut; the two gradients of x are summed while one of them
/// is computed.
struct WithShortcut {
  LazyTensor layer;
  at::Tensor x;
};

/// act(BN(conv(x))) as above, and x.
WithShortcut conv_norm_with_shortcut(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                                     bool relu);

/// A map before and after its activation.
struct Activated {
  at::Tensor before;
  LazyTensor after;
};

/// BN(conv(x)) + residual, and its ReLU.
Activated activated_conv_norm(const LazyTensor& x, const ConvNormParameters& parameters, FoldedWeights& folded,
                              const at::Tensor& residual);

}  // namespace reviewkd::ops
