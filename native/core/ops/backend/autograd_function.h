#pragma once
// The declaration of autograd functions, and when they are needed.

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <initializer_list>

/// Begins the definition of an autograd function, which must be outside anonymous namespaces: external linkage is
/// required on Windows, where libtorch declares the base class as imported.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a class cannot be declared by a name in parentheses.
#define REVIEWKD_AUTOGRAD_FUNCTION(Name) class Name : public torch::autograd::Function<Name>

namespace reviewkd::ops {

/// Whether the graph records any of these tensors, some of which may be undefined.
inline bool requires_gradient(std::initializer_list<at::Tensor> tensors) {
  return at::GradMode::is_enabled() && std::any_of(tensors.begin(), tensors.end(), [](const at::Tensor& tensor) {
           return tensor.defined() && tensor.requires_grad();
         });
}

}  // namespace reviewkd::ops
