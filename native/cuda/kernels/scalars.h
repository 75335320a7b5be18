#pragma once
// Scalars of a step: weighted sums of losses, the step's report, and its end; see ScalarSum and the structs after it
// in kernel_backend.h. Only several dozen values each, so that one block does everything and one kernel replaces a
// score of small ones.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

struct SumScalars {
  static constexpr int kThreads = 32;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::ScalarSum call;

  int64_t blocks() const { return 1; }

  REVIEWKD_BOTH void run(int, int64_t, int thread, float*) const {
    if (thread != 0) return;
    double sum = 0.0;
    for (int i = 0; i < call.count; ++i) sum += call.weights[i] * static_cast<double>(*call.terms[i]);
    *call.sum = sum;
  }
};

struct SumScalarsGradient {
  static constexpr int kThreads = ops::kMostScalars;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::ScalarSumGradient call;

  int64_t blocks() const { return 1; }

  REVIEWKD_BOTH void run(int, int64_t, int thread, float*) const {
    if (thread < call.count) call.out[thread] = static_cast<float>(*call.gradient * call.weights[thread]);
  }
};

struct ReportStep {
  /// Number of values before a step's own in `values` and `sums`.
  static constexpr int kExtra = 2;
  static constexpr int kThreads = 96;
  static constexpr int kPhases = 3;
  static constexpr int kShared = kThreads + 1;
  static_assert(kThreads >= ops::kMostScalars + kExtra);

  ops::StepReport call;

  int64_t blocks() const { return 1; }

  REVIEWKD_BOTH double value_of(int entry) const {
    if (entry == 0) return call.norm == nullptr ? 0.0 : *call.norm;
    if (entry == 1) return static_cast<double>(*call.correct);
    const ops::ScalarValue& scalar = call.scalars[entry - kExtra];
    return call.share * (scalar.is_double ? *static_cast<const double*>(scalar.address)
                                          : static_cast<double>(*static_cast<const float*>(scalar.address)));
  }

  REVIEWKD_BOTH void run(int phase, int64_t, int thread, float* shared) const {
    const int entries = call.count + kExtra;
    if (phase == 0) {
      if (thread < entries) {
        const double value = value_of(thread);
        // The norm covers the whole batch's gradients.
        call.values[thread] = (call.first_part || thread == 0 ? 0.0 : call.values[thread]) + value;
        const double total = call.values[thread];
        shared[thread] = total - total == 0.0 ? 1.0f : 0.0f;
      }
      if (thread == 0) shared[kThreads] = *call.finite;
    } else if (phase == 1) {
      if (thread != 0 || !call.last_part) return;
      float finite = shared[kThreads];
      for (int i = 0; i < entries; ++i) finite *= shared[i];
      *call.finite = finite;
    } else if (call.last_part && thread < entries) {
      const bool is_finite = *call.finite != 0.0f;
      if (is_finite) {
        const double images = call.images;
        call.sums[thread] += thread == 0 ? images : thread == 1 ? call.values[1] : call.values[thread] * images;
      } else if (shared[kThreads] != 0.0f) {
        call.first_bad[thread] = call.values[thread];
        if (thread == 0) call.first_bad[entries] = *call.step;
      }
    }
  }
};

/// Counters per launch.
constexpr int kMostCounters = 512;

struct EndStep {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::StepEnd::Counter counters[kMostCounters];
  int32_t count;
  int64_t* position;  // may be null
  double* step;

  int64_t blocks() const { return 1; }

  REVIEWKD_BOTH void run(int, int64_t, int thread, float*) const {
    for (int i = thread; i < count; i += kThreads) *counters[i].value += counters[i].increment;
    if (thread == 0 && position != nullptr) {
      *position += 1;
      *step += 1.0;
    }
  }
};

}  // namespace reviewkd::cuda
