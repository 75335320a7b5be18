#include "core/onnx/graph_network.h"

#include "core/base/error.h"

namespace reviewkd::onnx {

GraphNetworkImpl::GraphNetworkImpl(Graph graph, int64_t num_classes)
    : graph_(std::move(graph)), runner_(graph_), num_classes_(num_classes) {
  // A network has the type and the device of its parameters.
  for (size_t i = 0; i < graph_.initializers.size(); ++i) {
    const at::Tensor values = tensor_of(graph_.initializers[i]);
    if (values.is_floating_point()) register_parameter(std::to_string(i), values, /*requires_grad=*/false);
  }
}

void GraphNetworkImpl::initialize(at::Generator) {
  fail(ErrorCode::kInternal, "invalid call: the constants of an ONNX graph have their values.");
}

}  // namespace reviewkd::onnx
