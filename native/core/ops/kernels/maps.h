#pragma once
// All loops of one instruction set.

#include "core/ops/attention_fusion/kernel.inl"
#include "core/ops/conv_norm/kernel.inl"
#include "core/ops/pyramid_loss/kernel.inl"
#include "core/ops/sgd/kernel.inl"

namespace reviewkd::ops::REVIEWKD_ISA {

const MapKernels kMapsFloat = {kChannels<float>, kPyramid<float>, kAttention<float>};
const MapKernels kMapsBfloat16 = {kChannels<Bfloat16>, kPyramid<Bfloat16>, kAttention<Bfloat16>};
const SgdKernel kSgd = &update_parameters;

}  // namespace reviewkd::ops::REVIEWKD_ISA
