#pragma once
// All loops of one instruction set.

#include "core/ops/kernels/attention.h"
#include "core/ops/kernels/channels.h"
#include "core/ops/kernels/pyramid.h"
#include "core/ops/kernels/sgd.h"

namespace reviewkd::ops::REVIEWKD_ISA {

const MapKernels kMapsFloat = {kChannels<float>, kPyramid<float>, kAttention<float>};
const MapKernels kMapsBfloat16 = {kChannels<Bfloat16>, kPyramid<Bfloat16>, kAttention<Bfloat16>};
const SgdKernel kSgd = &update_parameters;

}  // namespace reviewkd::ops::REVIEWKD_ISA
