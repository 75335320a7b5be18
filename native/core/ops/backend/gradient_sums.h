#pragma once
// Gradients of maps with several readers, summed in one place. A function that returns its input as a fork for the next
// reader receives that reader's gradient and adds its own to it, so that a map's gradient is never in memory twice.

#include <ATen/ATen.h>

namespace reviewkd::ops {

/// The map that a function adds its gradient to, in channels-last order: the fork's gradient itself if nothing else
/// holds it, or a copy; zeros if there is none.
inline at::Tensor sum_of_fork(const at::Tensor& gradient, at::IntArrayRef sizes, const at::TensorOptions& type) {
  if (!gradient.defined()) return at::empty(sizes, type, at::MemoryFormat::ChannelsLast).zero_();
  const bool is_exclusive = gradient.use_count() == 1 && gradient.storage().use_count() == 1;
  if (is_exclusive && gradient.is_contiguous(at::MemoryFormat::ChannelsLast) && gradient.dtype() == type.dtype())
    return gradient;
  return gradient.to(type).clone(at::MemoryFormat::ChannelsLast);
}

}  // namespace reviewkd::ops
