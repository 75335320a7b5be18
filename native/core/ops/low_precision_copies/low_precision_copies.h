#pragma once
// Bfloat16 copies of float32 parameters: the optimizer writes both, so that no layer converts its weights in each
// step, and reads the gradients in the type in which the layers produce them.
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
    uint32_t version = 0;  // version of the parameter that `values` were copied from
  };

  /// parameters: float32.
  explicit LowPrecisionCopies(const std::vector<at::Tensor>& parameters);

  /// Null if the parameter has no copy.
  Copy* find(const at::Tensor& parameter);

  /// Rounds the parameters that were changed other than by the optimizer, on the current stream. Not while a graph is
  /// recorded: call it before the next replay.
  void refresh();
  /// Marks all copies as up to date with the parameters.
  void mark_current();
  void clear_gradients();

 private:
  std::vector<std::unique_ptr<Copy>> copies_;
  std::unordered_map<const void*, Copy*> by_parameter_;
};

/// While alive, layers of this thread read the copies and store their weight gradients there; no effect if null.
class LowPrecisionScope {
 public:
  explicit LowPrecisionScope(LowPrecisionCopies* copies);
  ~LowPrecisionScope();
  LowPrecisionScope(const LowPrecisionScope&) = delete;
  LowPrecisionScope& operator=(const LowPrecisionScope&) = delete;

 private:
  LowPrecisionCopies* outer_;
};

/// The parameter's copy in the thread's scope; null without a scope or for a type other than bfloat16.
LowPrecisionCopies::Copy* low_precision_copy(const at::Tensor& parameter, at::ScalarType type);

/// Adds a gradient to that of the copy. gradient: shaped like the parameter, in bfloat16.
void add_gradient(LowPrecisionCopies::Copy& copy, const at::Tensor& gradient);

}  // namespace reviewkd::ops
