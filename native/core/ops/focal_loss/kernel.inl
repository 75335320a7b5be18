#pragma once
// The focal loss of anchors; see FocalKernels. Included once per instruction set.
//
// With z the logit, negative for the classes that an anchor does not have, 1 - p_t = sigmoid(-z) = q and -log p_t =
// softplus(-z), so that no difference loses digits: the loss is q^gamma · softplus(-z), and its gradient by z is
// -q^gamma · (gamma · p_t · softplus(-z) + q).

#include "core/ops/backend/kernels.h"
#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

/// exp of values <= 0 with a relative error of about 1e-7; below -87 that of -87. NaN stays.
inline Floats exp_of_negative(Floats value) {
  const Floats x = value < -87.0f ? splat(-87.0f) : value;
  // Adding 1.5 · 2²³ rounds to an integer, whose bits are then the lowest of the sum.
  constexpr float kRounding = 12582912.0f;
  const Floats shifted = x * 1.44269504f + kRounding;
  const Floats n = shifted - kRounding;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  // Cephes' polynomial of exp.
  constexpr float kCoefficients[] = {1.9875691500e-4f,
                                     1.3981999507e-3f,
                                     8.3334519073e-3f,
                                     4.1665795894e-2f,
                                     1.6666665459e-1f,
                                     5.0000001201e-1f,
                                     1.0f,
                                     1.0f};
  Floats power = {};
  for (const float coefficient : kCoefficients) power = power * r + coefficient;
  const Ints exponent = bytes_of<Ints>(&shifted) << 23;
  const Ints bits = bytes_of<Ints>(&power) + exponent;
  return bytes_of<Floats>(&bits);
}

/// log(1 + value) of 0 … 1, by the series of the inverse hyperbolic tangent.
inline Floats log_of_one_plus(Floats value) {
  const Floats s = value / (value + 2.0f);
  const Floats square = s * s;
  constexpr float kCoefficients[] = {1.0f / 15, 1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3, 1.0f};
  Floats sum = {};
  for (const float coefficient : kCoefficients) sum = sum * square + coefficient;
  return 2.0f * s * sum;
}

struct FocalTerms {
  Floats missed;       // 1 - p_t
  Floats probability;  // p_t
  Floats modulation;   // (1 - p_t)^gamma
  Floats surprise;     // -log p_t
};

inline FocalTerms focal_terms(Floats z, float gamma) {
  const Floats small = exp_of_negative(z < 0 ? z : -z);  // exp(-|z|)
  const Floats larger = 1.0f / (1.0f + small);
  const Floats smaller = small * larger;
  const Floats rest = log_of_one_plus(small);
  FocalTerms terms;
  terms.missed = z < 0 ? larger : smaller;
  terms.probability = z < 0 ? smaller : larger;
  terms.surprise = (z < 0 ? -z : Floats{}) + rest;
  terms.modulation =
      gamma == 2.0f ? terms.missed * terms.missed : exp_of_negative(-gamma * ((z < 0 ? Floats{} : z) + rest));
  return terms;
}

/// Calls work(column, values, z of them, weights of them) for the logits of an anchor; `valid` of the vector exist, and
/// the others add nothing.
template <typename T, typename Work>
inline void each_logit(const T* row, int64_t anchor_class, int64_t columns, const FocalLoss& loss, const Work& work) {
  Ints numbers;
  for (int32_t i = 0; i < kWidth; ++i) numbers[i] = i;
  for (int64_t c = 0; c < columns; c += kWidth) {
    const int64_t valid = columns - c < kWidth ? columns - c : kWidth;
    T padded[kWidth] = {};
    if (valid < kWidth) std::memcpy(padded, row + c, static_cast<size_t>(valid) * sizeof(T));
    const Floats logits = load(valid < kWidth ? padded : row + c);
    const Ints is_truth = numbers == static_cast<int32_t>(anchor_class - c);
    Floats weights = is_truth ? splat(loss.object_weight) : splat(loss.background_weight);
    if (valid < kWidth) weights = numbers < static_cast<int32_t>(valid) ? weights : Floats{};
    work(c, valid, is_truth ? logits : -logits, weights, is_truth);
  }
}

inline float focal_sum_of(Floats values) {
  float sum = 0.0f;
  for (int64_t i = 0; i < kWidth; ++i) sum += values[i];
  return sum;
}

template <typename T>
double focal_sum(const FocalLoss& loss, const void* logits, const int64_t* classes, int64_t anchors, int64_t columns) {
  double total = 0.0;
  for (int64_t a = 0; a < anchors; ++a) {
    if (classes[a] < -1) continue;
    Floats sum = {};
    each_logit(static_cast<const T*>(logits) + a * columns, classes[a], columns, loss,
               [&](int64_t, int64_t, Floats z, Floats weights, Ints) {
                 const FocalTerms terms = focal_terms(z, loss.gamma);
                 sum += weights * terms.modulation * terms.surprise;
               });
    total += static_cast<double>(focal_sum_of(sum));
  }
  return total;
}

template <typename T>
void focal_gradient(const FocalLoss& loss, const void* logits, const int64_t* classes, int64_t anchors, int64_t columns,
                    float factor, void* out_values) {
  for (int64_t a = 0; a < anchors; ++a) {
    T* const out = static_cast<T*>(out_values) + a * columns;
    if (classes[a] < -1) {
      std::memset(out, 0, static_cast<size_t>(columns) * sizeof(T));
      continue;
    }
    each_logit(static_cast<const T*>(logits) + a * columns, classes[a], columns, loss,
               [&](int64_t c, int64_t valid, Floats z, Floats weights, Ints is_truth) {
                 const FocalTerms terms = focal_terms(z, loss.gamma);
                 const Floats slope = factor * weights * terms.modulation *
                                      (loss.gamma * terms.probability * terms.surprise + terms.missed);
                 const Floats gradient = is_truth ? -slope : slope;
                 if (valid == kWidth) {
                   store(out + c, gradient);
                 } else {
                   T padded[kWidth];
                   store(padded, gradient);
                   std::memcpy(out + c, padded, static_cast<size_t>(valid) * sizeof(T));
                 }
               });
  }
}

template <typename T>
constexpr FocalKernels kFocal = {&focal_sum<T>, &focal_gradient<T>};

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
