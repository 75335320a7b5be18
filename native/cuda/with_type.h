#pragma once
// Selects a kernel by the type of a map's values.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/kernels/portable.h"

namespace reviewkd::cuda {

template <typename T>
struct Typed {
  using Type = T;
};

/// Calls work(Typed<T>) with the type of a map's values.
template <typename Work>
auto with_type(ops::ValueType type, const Work& work) {
  return type == ops::ValueType::kFloat ? work(Typed<float>{}) : work(Typed<Bfloat16>{});
}

}  // namespace reviewkd::cuda
