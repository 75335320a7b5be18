#pragma once
// Which path an operation takes: the readable reference, or a fast one that this machine's processor can run.

#include <ATen/core/Tensor.h>

#include <functional>

#include "core/ops/backend/kernels.h"

namespace reviewkd::ops {

/// While it lives and `enabled`, every operation of this thread takes its reference path.
class ReferenceScope {
 public:
  explicit ReferenceScope(bool enabled);
  ~ReferenceScope();
  ReferenceScope(const ReferenceScope&) = delete;
  ReferenceScope& operator=(const ReferenceScope&) = delete;

 private:
  bool outer_;
};

bool takes_reference_path();

/// While it lives, this thread takes one part of a batch after the other through a network: what all of them need should be kept.
class PartsScope {
 public:
  PartsScope();
  ~PartsScope();
  PartsScope(const PartsScope&) = delete;
  PartsScope& operator=(const PartsScope&) = delete;
};

bool takes_parts();

/// The type that a layer computes in: bfloat16 for float32 values under autocast, otherwise their own.
at::ScalarType computing_type(const at::Tensor& x);

/// Fast kernels for values of a type; none where the processor lacks the instructions, or for a type that has no fast path
/// (float64). PyTorch's ATEN_CPU_CAPABILITY bounds the instructions here, too.
const ConvolutionKernels* convolution_kernels(at::ScalarType type);
const WinogradKernels* winograd_kernels(at::ScalarType type);
const MapKernels* map_kernels(at::ScalarType type);
SgdKernel sgd_kernel();

/// Memory of the calling thread that is kept for the next caller; the number tells apart what one thread uses at the same time.
void* scratch(int which, int64_t bytes);

/// Calls work(first, last, thread) for ranges that cover 0 … count, one for each thread. How they are cut depends on `count` and
/// the number of threads alone.
void parallel_for_ranges(int64_t count, const std::function<void(int64_t, int64_t, int64_t)>& work);

}  // namespace reviewkd::ops
