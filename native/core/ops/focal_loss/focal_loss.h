#pragma once
// The focal loss of RetinaNet (Lin et al. 2017, arXiv:1708.02002): a binary cross entropy of each class, where
// examples that are classified well count less: alpha_t · (1 - p_t)^gamma · -log p_t, with p_t the probability of the
// truth, and alpha for objects, 1 - alpha for background; alpha < 0: 1 for both.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// Instead of an anchor's class: it shows background, or is not counted.
constexpr int64_t kBackgroundAnchor = -1, kIgnoredAnchor = -2;

/// Element by element, as torchvision's sigmoid_focal_loss; targets are 0 or 1 in the shape and type of the logits.
at::Tensor sigmoid_focal_loss(const at::Tensor& logits, const at::Tensor& targets, double alpha, double gamma);

/// The sum over all anchors and classes, in float32 or better. logits: [A, C]; classes: int64 [A], 0 … C - 1,
/// kBackgroundAnchor or kIgnoredAnchor. On the CPU one pass over float32 or bfloat16 logits, and another for their
/// gradient, which keep nothing else; other logits take the reference.
at::Tensor sigmoid_focal_loss_sum(const at::Tensor& logits, const at::Tensor& classes, double alpha, double gamma);
at::Tensor sigmoid_focal_loss_sum_reference(const at::Tensor& logits, const at::Tensor& classes, double alpha,
                                            double gamma);

}  // namespace reviewkd::ops
