#pragma once
// Cross entropy with its gradient and the number of images classified correctly, in one pass over the logits; see
// CrossEntropy in kernel_backend.h.

#include <cmath>

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/layout.h"

namespace reviewkd::cuda {

template <typename T>
struct ClassifyRows {
  /// Threads per row, and rows per block.
  static constexpr int kLanes = 32;
  static constexpr int kRows = kBlockThreads / kLanes;
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 4;
  static constexpr int kFinishPhases = 2;
  /// After two values per thread: greatest value, class, loss and hit of each row.
  static constexpr int kRowValues = 2 * kBlockThreads;
  static constexpr int kShared = kRowValues + 4 * kRows;
  static_assert(kShared >= 2 * PartSums::doubles(2));

  ops::CrossEntropy call;

  int64_t blocks() const { return ceil_div(call.rows, kRows); }
  REVIEWKD_BOTH uint32_t group(int64_t) const { return 0; }
  REVIEWKD_BOTH uint32_t blocks_of_group() const { return static_cast<uint32_t>(ceil_div(call.rows, kRows)); }

  REVIEWKD_BOTH void run(int phase, int64_t block, int thread, float* shared) const {
    const int lane = thread % kLanes;
    const int row_of_block = thread / kLanes;
    const int64_t row = block * kRows + row_of_block;
    const bool exists = row < call.rows;
    const int classes = static_cast<int>(call.classes);
    const T* logits = static_cast<const T*>(call.logits) + (exists ? row : 0) * call.classes;
    float* row_values = shared + kRowValues;
    if (phase == 0) {
      float greatest = -INFINITY;
      int best = lane;
      for (int c = lane; exists && c < classes; c += kLanes) {
        const float value = to_float(logits[c]);
        if (value > greatest || value != value) {
          greatest = value;
          best = c;
        }
      }
      shared[thread] = greatest;
      shared[kBlockThreads + thread] = static_cast<float>(best);
    } else if (phase == 1) {
      if (lane != 0) return;
      float greatest = shared[thread];
      float best = shared[kBlockThreads + thread];
      for (int i = 1; i < kLanes; ++i) {
        const float value = shared[thread + i];
        const float at = shared[kBlockThreads + thread + i];
        // The first of equal values.
        if (value > greatest || value != value || (value == greatest && at < best)) {
          greatest = value;
          best = at;
        }
      }
      row_values[row_of_block] = greatest;
      row_values[kRows + row_of_block] = best;
    } else if (phase == 2) {
      float sum = 0.0f;
      for (int c = lane; exists && c < classes; c += kLanes)
        sum += expf(to_float(logits[c]) - row_values[row_of_block]);
      shared[thread] = sum;
    } else {
      float sum = 0.0f;
      for (int i = 0; i < kLanes; ++i) sum += shared[thread - lane + i];
      const float greatest = row_values[row_of_block];
      const int label = exists ? static_cast<int>(call.labels[row]) : 0;
      const float share = 1.0f / static_cast<float>(call.rows);
      for (int c = lane; exists && c < classes; c += kLanes) {
        const float probability = expf(to_float(logits[c]) - greatest) / sum;
        call.gradient[row * classes + c] = (probability - (c == label ? 1.0f : 0.0f)) * share;
      }
      if (lane == 0 && exists) {
        call.scratch[2 * row] = logf(sum) + (greatest - to_float(logits[label]));
        call.scratch[2 * row + 1] = static_cast<int>(row_values[kRows + row_of_block]) == label ? 1.0f : 0.0f;
      }
    }
  }

  REVIEWKD_BOTH void finish(int phase, uint32_t, int thread, float* shared) const {
    double* sums = reinterpret_cast<double*>(shared);
    if (phase == 0) {
      PartSums::gather(2, static_cast<int>(call.rows), thread, sums,
                       [&](int value, int row) { return call.scratch + 2 * static_cast<int64_t>(row) + value; });
    } else if (thread == 0) {
      *call.loss = static_cast<float>(PartSums::total(2, 0, sums) / static_cast<double>(call.rows));
      *call.correct = static_cast<float>(PartSums::total(2, 1, sums));
    }
  }
};

template <typename T>
struct CopyScaled {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kPhases = 1;
  static constexpr int kShared = 1;

  ops::ScaledCopy call;

  int64_t blocks() const { return ceil_div(call.count, kThreads); }

  REVIEWKD_BOTH void run(int, int64_t block, int thread, float*) const {
    const int64_t at = block * kThreads + thread;
    if (at < call.count) static_cast<T*>(call.out)[at] = from_float<T>(call.values[at] * *call.factor);
  }
};

}  // namespace reviewkd::cuda
