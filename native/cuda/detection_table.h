#pragma once
// The operations of detectors in kernel_backend.h as kernel launches, included by kernel_table.h; the including file
// provides `launch`.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/boxes.h"
#include "cuda/kernels/focal_loss.h"
#include "cuda/kernels/roi_align.h"
#include "cuda/with_type.h"

namespace reviewkd::cuda {
namespace {

void suppress_boxes(const ops::BoxSuppression& call) { launch(SuppressBoxes{call}); }

int64_t focal_loss_scratch(const ops::FocalLossSum& call) { return SumFocalLoss<float>::blocks_of(call); }

void focal_loss(const ops::FocalLossSum& call) {
  with_type(call.type, [&](auto typed) { launch(SumFocalLoss<typename decltype(typed)::Type>{call}); });
}

void focal_loss_gradient(const ops::FocalLossSum& call) {
  with_type(call.type, [&](auto typed) { launch(FocalLossGradient<typename decltype(typed)::Type>{call}); });
}

void pool_rois(const ops::RoiPooling& call) {
  with_type(call.type, [&](auto typed) { launch(PoolRois<typename decltype(typed)::Type>{call}); });
}

void pool_rois_gradient(const ops::RoiPooling& call) {
  with_type(call.type, [&](auto typed) {
    for (int64_t level = 0; level < call.levels; ++level)
      launch(PoolRoisGradient<typename decltype(typed)::Type>{call, level});
  });
}

void paste_masks(const ops::MaskPasting& call) { launch(PasteMasks{call}); }

}  // namespace
}  // namespace reviewkd::cuda
