#pragma once
// Selects the path of an operation: the readable reference, or a fast one that this machine's processor supports.

#include <ATen/core/Tensor.h>

#include <functional>

#include "core/ops/backend/kernels.h"

namespace reviewkd::ops {

/// While alive and `enabled`, every operation of this thread takes its reference path.
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

/// While alive, this thread passes the parts of a batch through a network one after another: values needed by all
/// parts should be kept.
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

/// Fast kernels for values of a type; null if the processor lacks the instructions or the type has no fast path
/// (float64). PyTorch's ATEN_CPU_CAPABILITY limits the instructions here, too.
const ConvolutionKernels* convolution_kernels(at::ScalarType type);
const WinogradKernels* winograd_kernels(at::ScalarType type);
const MapKernels* map_kernels(at::ScalarType type);
SgdKernel sgd_kernel();

/// Calls work(first, last, thread) for ranges that cover 0 … count, one per thread. The ranges depend only on `count`
/// and the number of threads.
void parallel_for_ranges(int64_t count, const std::function<void(int64_t, int64_t, int64_t)>& work);

}  // namespace reviewkd::ops
