#pragma once
// Losses of predicted boxes.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// Element by element: |d| - beta / 2, or d² / (2 · beta) where |d| < beta; beta 0: |d|. Equal shapes, any.
at::Tensor smooth_l1_loss(const at::Tensor& input, const at::Tensor& target, double beta);

/// 1 - generalized IoU of each box with its target, differentiable by the boxes (Rezatofighi et al. 2019,
/// arXiv:1902.09630). eps keeps boxes without area from dividing by 0. Both [N, 4] -> [N]
at::Tensor generalized_box_iou_loss(const at::Tensor& boxes, const at::Tensor& targets, double eps);

}  // namespace reviewkd::ops
