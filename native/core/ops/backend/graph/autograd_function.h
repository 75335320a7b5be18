#pragma once
// The declaration of autograd functions, when they are needed, and gradients of maps with several readers.

#include <ATen/ATen.h>
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

/// A function that returns its input as a fork for the next reader receives that reader's gradient and adds its own to
/// it, so that a map's gradient is never in memory twice.
///
/// The map that such a function adds its gradient to, in channels-last order: the fork's gradient itself if nothing else
/// holds it, or a copy; zeros if there is none.
inline at::Tensor sum_of_fork(const at::Tensor& gradient, at::IntArrayRef sizes, const at::TensorOptions& type) {
  if (!gradient.defined()) return at::empty(sizes, type, at::MemoryFormat::ChannelsLast).zero_();
  const bool is_exclusive = gradient.use_count() == 1 && gradient.storage().use_count() == 1;
  if (is_exclusive && gradient.is_contiguous(at::MemoryFormat::ChannelsLast) && gradient.dtype() == type.dtype())
    return gradient;
  return gradient.to(type).clone(at::MemoryFormat::ChannelsLast);
}

}  // namespace reviewkd::ops
