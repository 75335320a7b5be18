#pragma once
// From a traced graph to an ONNX graph: each operation of libtorch becomes one or several of ONNX.

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "core/onnx/graph_builder.h"
#include "core/onnx/traced_graph.h"

namespace reviewkd::onnx {

/// A tensor of the ONNX graph.
struct OnnxTensor {
  std::string name;
  /// float16 or float32 for all types of floating point; int64, bool.
  at::ScalarType type;
  std::vector<BatchCount> shape;
  /// Of a constant, else undefined.
  at::Tensor values = {};

  bool is_constant() const { return values.defined(); }
  bool is_floating_point() const { return at::isFloatingType(type); }
  int64_t dimensions() const { return static_cast<int64_t>(shape.size()); }
};

class Lowering;

/// One operation that is lowered: its inputs as the operators need them, and its result.
class Operation {
 public:
  Operation(Lowering& lowering, const torch::jit::Node& node) : lowering_(lowering), node_(node) {}

  GraphBuilder& builder() const;
  Lowering& lowering() const { return lowering_; }
  std::string kind() const { return node_.kind().toQualString(); }
  size_t input_count() const { return node_.inputs().size(); }

  bool is_none(size_t input) const;
  /// A tensor, or a constant, which is float32 unless it is cast.
  OnnxTensor tensor(size_t input) const;
  std::vector<OnnxTensor> tensors(size_t input) const;
  bool is_tensor(size_t input) const;
  /// The values of a constant tensor; undefined for another.
  at::Tensor constant(size_t input) const;
  /// The name that a parameter, maybe transposed, has in the state dict; empty for other tensors.
  std::string parameter_name(size_t input) const;
  /// Whether nothing but this operation reads the value.
  bool is_only_reader(size_t input) const;
  /// Whether an operation of this kind computes the first input.
  bool is_after(const std::string& kind) const;
  /// The operation that reads the result, if there is one alone.
  std::optional<Operation> only_reader() const;

  int64_t integer(size_t input) const;
  double number(size_t input) const;
  bool flag(size_t input) const { return integer(input) != 0; }
  std::vector<int64_t> integers(size_t input) const;
  std::vector<double> numbers(size_t input) const;
  BatchCount count(size_t input) const;
  /// `integer` as a dimension of a tensor: negative ones count from the end.
  int64_t dimension(size_t input, int64_t dimensions) const;

  const std::vector<BatchCount>& result_shape(size_t output = 0) const;
  /// Whether the traced result is of floating point.
  at::ScalarType traced_type(size_t output = 0) const;
  /// Sets the result.
  void result(const std::string& name, at::ScalarType type, size_t output = 0) const;
  void result(const std::vector<OnnxTensor>& list) const;
  /// An input is the result.
  void pass_on(size_t input) const;

 private:
  Lowering& lowering_;
  const torch::jit::Node& node_;
};

using Operator = void (*)(const Operation& operation);
using FindOperator = Operator (*)(const std::string& kind);

class Lowering {
 public:
  /// type: float32 or float16, that of weights and of the layers' arithmetic; find: of an operation without a row in
  /// the table, nullptr.
  Lowering(const TracedGraph& traced, std::string images, at::ScalarType type, FindOperator find);

  /// Lowers what the outputs need, and returns them. Throws INTERNAL for an operation that has no row in the table.
  std::vector<OnnxTensor> run();

  GraphBuilder& builder() { return builder_; }
  const TracedGraph& traced() const { return traced_; }
  at::ScalarType type() const { return type_; }

  /// `tensor` converted, unless it is of this type. A constant is converted here.
  OnnxTensor cast(const OnnxTensor& tensor, at::ScalarType type);

  OnnxTensor constant_tensor(const at::Tensor& values, const std::string& name = "constant");

  /// A parameter of a layer as a constant in the precision of layers; one for all layers that share it.
  std::string layer_constant(const at::Tensor& values, const std::string& name);

 private:
  friend class Operation;
  using Lowered = std::variant<c10::IValue, OnnxTensor, std::vector<OnnxTensor>>;

  void lower(const torch::jit::Node& node);
  /// Computes an operation on constants alone. False if there are other inputs.
  bool compute(const torch::jit::Node& node);
  /// A value that is known here; nullptr for one that depends on the images or their number.
  const c10::IValue* known(const torch::jit::Value* value) const;
  OnnxTensor as_tensor(const torch::jit::Value* value);

  const TracedGraph& traced_;
  GraphBuilder builder_;
  at::ScalarType type_;
  FindOperator find_operator_;
  std::unordered_map<const torch::jit::Value*, Lowered> values_;
  std::unordered_map<const torch::jit::Value*, OnnxTensor> constants_;
  /// The nodes that the outputs are computed from, and how often each value is read by it.
  std::unordered_set<const torch::jit::Node*> needed_;
  std::unordered_map<const torch::jit::Value*, int64_t> readers_;
  /// By the parameter; kept, so that no other has its address.
  std::unordered_map<const void*, std::pair<at::Tensor, std::string>> layer_constants_;
};

}  // namespace reviewkd::onnx
