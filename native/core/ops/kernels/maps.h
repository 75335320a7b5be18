#pragma once
// All loops of one instruction set.

#include "core/ops/attention_fusion/kernel.inl"
#include "core/ops/conv_norm/kernel.inl"
#include "core/ops/focal_loss/kernel.inl"
#include "core/ops/pyramid_loss/kernel.inl"
#include "core/ops/roi_align/kernel.inl"
#include "core/ops/sgd/kernel.inl"

namespace reviewkd::ops::REVIEWKD_ISA {

template <typename T>
constexpr MapKernels kMaps = {kChannels<T>, kPyramid<T>, kAttention<T>, kFocal<T>, kRoiAlign<T>};
const MapKernels kMapsFloat = kMaps<float>;
const MapKernels kMapsBfloat16 = kMaps<Bfloat16>;
const SgdKernel kSgd = &update_parameters;

}  // namespace reviewkd::ops::REVIEWKD_ISA
