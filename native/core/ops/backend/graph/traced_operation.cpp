#include "core/ops/backend/graph/traced_operation.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/ir/ir.h>

namespace reviewkd::ops {
namespace tracer = torch::jit::tracer;

bool is_tracing() { return tracer::isTracing(); }

at::Tensor traced_operation(const char* name, const std::function<void(torch::jit::Node*)>& describe,
                            at::IntArrayRef shape, const at::TensorOptions& options) {
  const auto& state = tracer::getTracingState();
  torch::jit::Node* const node = state->createNode(c10::Symbol::fromQualString(name), /*num_outputs=*/0);
  describe(node);
  state->insertNode(node);
  at::Tensor result;
  {
    const ConstantScope untraced;
    result = at::zeros(shape, options);
  }
  tracer::addOutput(node, result);
  return result;
}

}  // namespace reviewkd::ops
