#pragma once
// Parameters in bfloat16 in addition to their float32 values: the optimizer writes both, so that no layer converts its weights in each step, and reads the
// gradients in the type in which the layers give them.
// Micikevicius et al.: "Mixed Precision Training" (ICLR 2018), section 3.1.

#include <ATen/core/Tensor.h>

#include <memory>
#include <unordered_map>
#include <vector>

namespace reviewkd::ops {

class LowPrecisionCopies {
 public:
  struct Copy {
    at::Tensor parameter;
    at::Tensor values;    // bfloat16, in the parameter's memory order; undefined before the first `refresh`
    at::Tensor gradient;  // of the last backward pass; undefined before it
    uint32_t version = 0;  // of the parameter that `values` stand for
  };

  /// parameters: float32.
  explicit LowPrecisionCopies(const std::vector<at::Tensor>& parameters);

  /// None if the parameter has no copy.
  Copy* find(const at::Tensor& parameter);

  /// Rounds the parameters that changed otherwise than by the optimizer, on the current stream. Not while a graph is recorded: the next replay needs it before.
  void refresh();
  /// Marks all copies as those of the parameters' present values.
  void mark_current();
  void clear_gradients();

 private:
  std::vector<std::unique_ptr<Copy>> copies_;
  std::unordered_map<const void*, Copy*> by_parameter_;
};

/// While it lives, layers of this thread read the copies and leave their weights' gradients there; with none, nothing changes.
class LowPrecisionScope {
 public:
  explicit LowPrecisionScope(LowPrecisionCopies* copies);
  ~LowPrecisionScope();
  LowPrecisionScope(const LowPrecisionScope&) = delete;
  LowPrecisionScope& operator=(const LowPrecisionScope&) = delete;

 private:
  LowPrecisionCopies* outer_;
};

/// The parameter's copy in the thread's scope; none without one, or for another type than bfloat16.
LowPrecisionCopies::Copy* low_precision_copy(const at::Tensor& parameter, at::ScalarType type);

/// Adds a gradient to that of the copy. gradient: as the parameter, in bfloat16.
void add_gradient(LowPrecisionCopies::Copy& copy, const at::Tensor& gradient);

}  // namespace reviewkd::ops
