#include "core/onnx/graph_runner.h"

#include <ATen/ATen.h>

#include <map>
#include <vector>

#include "core/base/error.h"

namespace reviewkd::onnx {
namespace {

/// A node with the tensors that it reads; undefined where an optional one is left out.
class Call {
 public:
  Call(const Node& node, std::vector<at::Tensor> inputs) : node_(node), inputs_(std::move(inputs)) {}

  at::Tensor input(size_t i) const { return i < inputs_.size() ? inputs_[i] : at::Tensor(); }
  const std::vector<at::Tensor>& inputs() const { return inputs_; }

  template <typename T>
  T attribute(const char* name, T missing) const {
    for (const auto& [key, value] : node_.attributes) {
      if (key == name) return std::get<T>(value);
    }
    return missing;
  }
  std::vector<int64_t> integers(const char* name) const { return attribute<std::vector<int64_t>>(name, {}); }
  int64_t integer(const char* name, int64_t missing) const { return attribute<int64_t>(name, missing); }

  /// Padding of the start of both dimensions; graphs here have as much at their end.
  std::vector<int64_t> padding() const {
    const std::vector<int64_t> pads = integers("pads");
    return {pads.at(0), pads.at(1)};
  }

 private:
  const Node& node_;
  std::vector<at::Tensor> inputs_;
};

std::vector<int64_t> integers_of(const at::Tensor& values) {
  const at::Tensor own = values.to(at::kLong).contiguous();
  return {own.const_data_ptr<int64_t>(), own.const_data_ptr<int64_t>() + own.numel()};
}

at::Tensor convolve(const Call& call) {
  return at::convolution(call.input(0), call.input(1), call.input(2), call.integers("strides"), call.padding(),
                         call.integers("dilations"), /*transposed=*/false, {0, 0}, call.integer("group", 1));
}

at::Tensor multiply_matrices(const Call& call) {
  const at::Tensor weight = call.integer("transB", 0) != 0 ? call.input(1).t() : call.input(1);
  const at::Tensor product = at::mm(call.input(0), weight);
  return call.input(2).defined() ? product + call.input(2) : product;
}

at::Tensor normalize(const Call& call) {
  return at::batch_norm(call.input(0), call.input(1), call.input(2), call.input(3), call.input(4), /*training=*/false,
                        /*momentum=*/0, call.attribute<float>("epsilon", 0), /*cudnn_enabled=*/false);
}

at::Tensor clip(const Call& call) {
  std::optional<at::Scalar> low, high;
  if (call.input(1).defined()) low = call.input(1).item();
  if (call.input(2).defined()) high = call.input(2).item();
  return at::clamp(call.input(0), low, high);
}

at::Tensor pool_maximum(const Call& call) {
  return at::max_pool2d(call.input(0), call.integers("kernel_shape"), call.integers("strides"), call.padding(), {1, 1},
                        call.integer("ceil_mode", 0) != 0);
}

at::Tensor pool_average(const Call& call) {
  return at::avg_pool2d(call.input(0), call.integers("kernel_shape"), call.integers("strides"), call.padding(),
                        call.integer("ceil_mode", 0) != 0, call.integer("count_include_pad", 0) != 0);
}

at::Tensor slice(const Call& call) {
  return call.input(0).slice(integers_of(call.input(3)).at(0), integers_of(call.input(1)).at(0),
                             integers_of(call.input(2)).at(0), integers_of(call.input(4)).at(0));
}

/// Values of one dimension, along `axis` of a tensor with as many dimensions as x; a single value for all.
at::Tensor along(const at::Tensor& values, int64_t axis, const at::Tensor& x) {
  if (values.dim() == 0) return values;
  std::vector<int64_t> shape(x.dim(), 1);
  shape[axis] = values.size(0);
  return values.view(shape);
}

/// The whole number of each value, kept in floating point.
at::Tensor quantize(const Call& call) {
  const at::Tensor zero = call.input(2).to(at::kFloat);
  constexpr double kLargestByte = 255;
  return at::round(call.input(0) / call.input(1)).add(zero).clamp(0, kLargestByte);
}

at::Tensor dequantize(const Call& call) {
  const int64_t axis = call.integer("axis", 1);
  const at::Tensor numbers = call.input(0).to(at::kFloat);
  const at::Tensor zero = call.input(2).defined() ? along(call.input(2).to(at::kFloat), axis, numbers) : at::zeros({});
  return (numbers - zero) * along(call.input(1), axis, numbers);
}

using Compute = at::Tensor (*)(const Call&);

Compute compute_of(const std::string& op) {
  static const std::map<std::string, Compute> kTable = {
      {"Conv", convolve},
      {"Gemm", multiply_matrices},
      {"BatchNormalization", normalize},
      {"Clip", clip},
      {"MaxPool", pool_maximum},
      {"AveragePool", pool_average},
      {"Slice", slice},
      {"QuantizeLinear", quantize},
      {"DequantizeLinear", dequantize},
      {"Relu", [](const Call& call) { return at::relu(call.input(0)); }},
      {"Add", [](const Call& call) { return call.input(0) + call.input(1); }},
      {"Mul", [](const Call& call) { return call.input(0) * call.input(1); }},
      {"GlobalAveragePool", [](const Call& call) { return at::adaptive_avg_pool2d(call.input(0), {1, 1}); }},
      {"Flatten", [](const Call& call) { return call.input(0).flatten(1); }},
      {"Reshape", [](const Call& call) { return call.input(0).reshape(integers_of(call.input(1))); }},
      {"Transpose", [](const Call& call) { return call.input(0).permute(call.integers("perm")); }},
      {"Concat", [](const Call& call) { return at::cat(call.inputs(), call.integer("axis", 0)); }},
      {"Softmax", [](const Call& call) { return call.input(0).softmax(call.integer("axis", -1)); }},
  };
  const auto found = kTable.find(op);
  if (found == kTable.end()) fail(ErrorCode::kInternal, "cannot compute the ONNX operator ", op, " here.");
  return found->second;
}

at::ScalarType scalar_type_of(ElementType type) {
  switch (type) {
    case ElementType::kFloat32: return at::kFloat;
    case ElementType::kInt64: return at::kLong;
    case ElementType::kInt32: return at::kInt;
    case ElementType::kInt8: return at::kChar;
    case ElementType::kUInt8: return at::kByte;
    default: fail(ErrorCode::kInternal, "cannot compute with constants of type ", row_of(type).name, " here.");
  }
}

}  // namespace

at::Tensor tensor_of(const Initializer& constant) {
  // Nothing writes to constants.
  return at::from_blob(
      const_cast<void*>(constant.data), constant.shape, [owner = constant.owner](void*) {},
      scalar_type_of(constant.type));
}

GraphRunner::GraphRunner(const Graph& graph) : graph_(graph) {
  for (const Initializer& constant : graph.initializers) constants_[constant.name] = tensor_of(constant);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    compute_of(graph.nodes[i].op);
    for (const std::string& input : graph.nodes[i].inputs) last_reader_[input] = i;
  }
}

at::Tensor GraphRunner::run(const at::Tensor& input, const Observer& observer) const {
  const std::vector<Dimension>& shape = graph_.inputs.at(0).shape;
  for (size_t i = 1; i < shape.size(); ++i) {
    // Sizes are a part of the graph.
    if (std::get<int64_t>(shape[i]) == input.size(static_cast<int64_t>(i))) continue;
    fail(ErrorCode::kShapeMismatch, "invalid images: expected those of the ONNX graph, [N, 3, ",
         std::get<int64_t>(shape[2]), ", ", std::get<int64_t>(shape[3]), "], received ", input.sizes(),
         ". Quantize with images of the file's size.");
  }
  std::unordered_map<std::string, at::Tensor> values = {{graph_.inputs.at(0).name, input}};
  if (observer) observer(graph_.inputs[0].name, input);
  const std::string& wanted = graph_.outputs.at(0).name;
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    std::vector<at::Tensor> inputs;
    for (const std::string& name : node.inputs) {
      const auto constant = constants_.find(name);
      inputs.push_back(constant == constants_.end() ? values[name] : constant->second);
    }
    const std::string& result = node.outputs.at(0);
    values[result] = compute_of(node.op)(Call(node, std::move(inputs)));
    if (observer) observer(result, values[result]);
    if (result == wanted) return values[result];
    for (const std::string& name : node.inputs) {
      if (last_reader_.at(name) == i) values.erase(name);
    }
  }
  fail(ErrorCode::kInternal, "cannot compute the ONNX graph: no node has the output ", wanted, ".");
}

}  // namespace reviewkd::onnx
