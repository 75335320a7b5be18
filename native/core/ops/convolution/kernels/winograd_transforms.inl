#pragma once
// The one-dimensional transforms of F(4×4, 3×3): a patch, a filter or a tile is transformed along one direction and
// then along the other.
// Lavin, Gray: "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016).
//
// The polynomial convolution is evaluated at 0, ±a, ±b and ∞. Differs from the paper, which has a = 1 and b = 2: with
// a = √½ and b = √2 the float32 error is half as large, 2.5 times that of the direct sum.

#include "core/ops/backend/vectors.h"

namespace reviewkd::ops::REVIEWKD_ISA {
namespace {

constexpr float kRootOfHalf = 0.70710678118654752440f;
constexpr float kRootOfTwo = 1.41421356237309504880f;

/// Bᵀ d: six neighbours.
inline void transform_patch(const Floats d[6], Floats result[6]) {
  const Floats even_a = d[4] - 2.0f * d[2], odd_a = d[3] - 2.0f * d[1];
  const Floats even_b = d[4] - 0.5f * d[2], odd_b = d[3] - 0.5f * d[1];
  result[0] = d[0] - 2.5f * d[2] + d[4];
  result[1] = even_a + kRootOfHalf * odd_a;
  result[2] = even_a - kRootOfHalf * odd_a;
  result[3] = even_b + kRootOfTwo * odd_b;
  result[4] = even_b - kRootOfTwo * odd_b;
  result[5] = d[1] - 2.5f * d[3] + d[5];
}

/// Aᵀ m: back to four outputs.
inline void restore_tile(const Floats m[6], Floats result[4]) {
  const Floats sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  const Floats sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  result[0] = m[0] + sum_a + sum_b;
  result[1] = kRootOfHalf * difference_a + kRootOfTwo * difference_b;
  result[2] = 0.5f * sum_a + 2.0f * sum_b;
  result[3] = 0.5f * kRootOfHalf * difference_a + 2.0f * kRootOfTwo * difference_b + m[5];
}

/// A y: backpropagation through `restore_tile`.
inline void transform_tile(const Floats y[4], Floats result[6]) {
  const Floats even_a = y[0] + 0.5f * y[2], odd_a = y[1] + 0.5f * y[3];
  const Floats even_b = y[0] + 2.0f * y[2], odd_b = y[1] + 2.0f * y[3];
  result[0] = y[0];
  result[1] = even_a + kRootOfHalf * odd_a;
  result[2] = even_a - kRootOfHalf * odd_a;
  result[3] = even_b + kRootOfTwo * odd_b;
  result[4] = even_b - kRootOfTwo * odd_b;
  result[5] = y[3];
}

/// G g: a filter's values at the points, divided by the factors that the other transforms omit.
inline void transform_filter(const Floats g[3], Floats result[6]) {
  const Floats even_a = -2.0f / 3 * g[0] - 1.0f / 3 * g[2], odd_a = kRootOfTwo / 3 * g[1];
  const Floats even_b = 1.0f / 6 * g[0] + 1.0f / 3 * g[2], odd_b = kRootOfTwo / 6 * g[1];
  result[0] = g[0];
  result[1] = even_a - odd_a;
  result[2] = even_a + odd_a;
  result[3] = even_b + odd_b;
  result[4] = even_b - odd_b;
  result[5] = g[2];
}

/// Gᵀ m: backpropagation through `transform_filter`.
inline void restore_filter(const Floats m[6], Floats result[3]) {
  const Floats sum_a = m[1] + m[2], difference_a = m[2] - m[1];
  const Floats sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  result[0] = m[0] - 2.0f / 3 * sum_a + 1.0f / 6 * sum_b;
  result[1] = kRootOfTwo / 3 * difference_a + kRootOfTwo / 6 * difference_b;
  result[2] = 1.0f / 3 * (sum_b - sum_a) + m[5];
}

/// Applies `transform`, which turns `From` vectors into `To`, along both directions of a square of vectors, with
/// caller-provided reads and writes.
template <int From, int To, void (*transform)(const Floats*, Floats*), typename Read, typename Write>
inline void along_both(const Read& read, const Write& write) {
  Floats columns[To][From];
#pragma GCC unroll 6
  for (int64_t j = 0; j < From; ++j) {
    Floats values[From], transformed[To];
#pragma GCC unroll 6
    for (int64_t i = 0; i < From; ++i) values[i] = read(i, j);
    transform(values, transformed);
#pragma GCC unroll 6
    for (int64_t i = 0; i < To; ++i) columns[i][j] = transformed[i];
  }
#pragma GCC unroll 6
  for (int64_t i = 0; i < To; ++i) {
    Floats transformed[To];
    transform(columns[i], transformed);
#pragma GCC unroll 6
    for (int64_t j = 0; j < To; ++j) write(i, j, transformed[j]);
  }
}

}  // namespace
}  // namespace reviewkd::ops::REVIEWKD_ISA
