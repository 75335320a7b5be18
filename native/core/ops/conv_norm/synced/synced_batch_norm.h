#pragma once
// Batch normalization over the batches of several processes with PyTorch's operations: the readable reference, and the
// path of devices.

#include <ATen/core/Tensor.h>

#include "core/ops/conv_norm/batch_moments.h"
#include "core/ops/conv_norm/synced/statistics_exchange.h"

namespace reviewkd::ops {

struct SyncedNormalized {
  at::Tensor values;     // as x
  BatchMoments moments;  // of all processes
};

/// gamma · (x - mean) / sqrt(variance + epsilon) + beta with the statistics of all processes. x: [N, C, …] of any device
/// and type; gamma, beta: [C]. Computes in float64 on the CPU; elsewhere in x's type, at least float32. Throws
/// BATCH_TOO_SMALL.
SyncedNormalized synced_batch_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double epsilon,
                                   StatisticsExchange& exchange);

}  // namespace reviewkd::ops
