#pragma once
// The focal loss of anchors; see FocalLossSum in kernel_backend.h, and core/ops/focal_loss/kernel.inl for its formula.

#include <cmath>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

/// The loss of one logit and its slope.
struct FocalTerm {
  float loss, slope;
};

template <typename T>
REVIEWKD_BOTH FocalTerm focal_term(const ops::FocalLossSum& call, uint32_t index) {
  const uint32_t columns = static_cast<uint32_t>(call.columns);
  const int64_t anchor_class = call.classes[index / columns];
  if (anchor_class < -1) return {0.0f, 0.0f};
  const bool is_truth = anchor_class == static_cast<int64_t>(index % columns);
  const float logit = to_float(static_cast<const T*>(call.logits)[index]);
  const float z = is_truth ? logit : -logit;
  const float small = expf(z < 0.0f ? z : -z);
  const float larger = 1.0f / (1.0f + small);
  const float rest = log1pf(small);
  const float missed = z < 0.0f ? larger : small * larger;
  const float probability = z < 0.0f ? small * larger : larger;
  const float surprise = (z < 0.0f ? -z : 0.0f) + rest;
  const float modulation = call.gamma == 2.0f ? missed * missed : expf(-call.gamma * ((z < 0.0f ? 0.0f : z) + rest));
  const float weight = is_truth ? call.object_weight : call.background_weight;
  const float slope = weight * modulation * (call.gamma * probability * surprise + missed);
  return {weight * modulation * surprise, is_truth ? -slope : slope};
}

/// Each block sums every blocks()-th group of logits; the last one to finish adds the sums, in order.
template <typename T>
struct SumFocalLoss {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 3;
  static constexpr int kFinishPhases = 2;
  static constexpr int kShared = 2 * kBlockThreads;  // doubles
  static constexpr int64_t kMostBlocks = 1056;
  /// Values that one thread sums at a time.
  static constexpr int kRun = 16;

  ops::FocalLossSum call;

  static int64_t blocks_of(const ops::FocalLossSum& call) {
    return smaller(ceil_div(call.anchors * call.columns, kThreads), kMostBlocks);
  }
  int64_t blocks() const { return blocks_of(call); }
  REVIEWKD_BOTH uint32_t group(int64_t) const { return 0; }
  REVIEWKD_BOTH uint32_t blocks_of_group() const {
    return static_cast<uint32_t>(smaller<int64_t>(ceil_div(call.anchors * call.columns, kThreads), kMostBlocks));
  }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    if (phase == 0) {
      const int64_t count = call.anchors * call.columns;
      const int64_t step = static_cast<int64_t>(blocks_of_group()) * kThreads;
      float sum = 0.0f;
      for (int64_t i = block * kThreads + thread; i < count; i += step)
        sum += focal_term<T>(call, static_cast<uint32_t>(i)).loss;
      shared[thread] = sum;
    } else if (phase == 1) {
      if (thread % kRun != 0) return;
      float sum = 0.0f;
      for (int i = 0; i < kRun; ++i) sum += shared[thread + i];
      shared[thread] = sum;
    } else if (thread == 0) {
      float sum = 0.0f;
      for (int i = 0; i < kThreads; i += kRun) sum += shared[i];
      call.scratch[block] = sum;
    }
  }

  REVIEWKD_BOTH void finish(int phase, uint32_t, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    if (phase == 0) {
      double sum = 0.0;
      for (int64_t i = thread; i < blocks_of_group(); i += kThreads)
        sum += static_cast<double>(load_fresh(call.scratch + i));
      sums[thread] = sum;
    } else if (thread == 0) {
      double sum = 0.0;
      REVIEWKD_UNROLL_BY_4
      for (int i = 0; i < kThreads; ++i) sum += sums[i];
      *call.loss = static_cast<float>(sum);
    }
  }
};

template <typename T>
struct FocalLossGradient {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::FocalLossSum call;

  int64_t blocks() const { return ceil_div(call.anchors * call.columns, kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t i = block * kThreads + thread;
    if (i >= call.anchors * call.columns) return;
    static_cast<T*>(call.gradient)[i] =
        from_float<T>(*call.loss_gradient * focal_term<T>(call, static_cast<uint32_t>(i)).slope);
  }
};

}  // namespace reviewkd::cuda
