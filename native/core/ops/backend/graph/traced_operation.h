#pragma once
// Operations of this package as single nodes of libtorch's traces, which would otherwise record how they compute, or
// nothing where they read memory themselves.

#include <ATen/core/Tensor.h>

#include <ATen/TracerMode.h>

#include <functional>

namespace torch::jit {
struct Node;
}

namespace reviewkd::ops {

/// Whether this thread records a trace.
bool is_tracing();

/// While alive, results are constants of this thread's trace. Tensors of numbers that are written here must be: a trace
/// would record that their memory was allocated, and not what was written.
using ConstantScope = at::tracer::impl::NoTracerDispatchMode;

/// Records one node, and returns zeros in the place of its result: a trace needs shapes alone. describe: adds the node's
/// inputs by torch::jit::tracer::addInputs.
at::Tensor traced_operation(const char* name, const std::function<void(torch::jit::Node*)>& describe,
                            at::IntArrayRef shape, const at::TensorOptions& options);

}  // namespace reviewkd::ops
