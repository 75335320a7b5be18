#pragma once
// Computes an ONNX graph of a classifier with libtorch: ranges of its values for quantization, and what quantization
// costs.

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <unordered_map>

#include "formats/onnx/onnx_model.h"

namespace reviewkd::onnx {

class GraphRunner {
 public:
  /// Called with each value of the graph once it is computed, the input included.
  using Observer = std::function<void(const std::string& name, const at::Tensor& values)>;

  /// The graph must outlive this. Throws INTERNAL for an operator that no classifier has.
  explicit GraphRunner(const Graph& graph);

  /// The first output for an input [N, 3, H, W]. Quantized values are computed as the floating point numbers that they
  /// stand for.
  at::Tensor run(const at::Tensor& input, const Observer& observer = {}) const;

 private:
  const Graph& graph_;
  std::unordered_map<std::string, at::Tensor> constants_;
  /// The node after which each value is no longer read.
  std::unordered_map<std::string, size_t> last_reader_;
};

/// A constant of a graph as a tensor, which shares its memory.
at::Tensor tensor_of(const Initializer& constant);

}  // namespace reviewkd::onnx
