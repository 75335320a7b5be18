#include "core/onnx/lowering.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/ir/constants.h>

#include <unordered_set>

#include "core/base/error.h"

namespace reviewkd::onnx {
namespace jit = torch::jit;
namespace {

/// The nodes that the outputs are computed from.
std::unordered_set<const jit::Node*> needed_nodes(const jit::Graph& graph) {
  std::unordered_set<const jit::Node*> needed;
  std::vector<const jit::Node*> open;
  const auto need = [&](at::ArrayRef<const jit::Value*> values) {
    for (const jit::Value* value : values) {
      if (needed.insert(value->node()).second) open.push_back(value->node());
    }
  };
  need(graph.outputs());
  while (!open.empty()) {
    const jit::Node* const node = open.back();
    open.pop_back();
    need(node->inputs());
  }
  return needed;
}

at::ScalarType type_of(const jit::Value& value) {
  const auto type = value.type()->cast<c10::TensorType>();
  if (!type || !type->scalarType())
    fail(ErrorCode::kInternal, "cannot export ", value.debugName(), ": it has no known type.");
  return *type->scalarType();
}

bool is_reshape(const std::string& kind) {
  static const std::unordered_set<std::string> kinds = {"aten::view", "aten::reshape", "aten::flatten",
                                                        "aten::unflatten"};
  return kinds.contains(kind);
}

}  // namespace

Lowering::Lowering(const TracedGraph& traced, std::string images, at::ScalarType type, FindOperator find)
    : traced_(traced), builder_(images), type_(type), find_operator_(find) {
  values_[traced.images] = OnnxTensor{std::move(images), at::kFloat, traced.shapes.at(traced.images)};
  for (const auto& [value, tensor] : traced.parameters) values_[value] = c10::IValue(tensor.detach());
}

std::vector<OnnxTensor> Lowering::run() {
  const torch::NoGradGuard no_grad;
  needed_ = needed_nodes(*traced_.graph);
  for (const jit::Node* node : needed_) {
    for (const jit::Value* input : node->inputs()) ++readers_[input];
  }
  for (const jit::Value* output : traced_.graph->outputs()) ++readers_[output];
  // Constants first: a layer that is folded into the one before it is read early.
  std::vector<const jit::Node*> others;
  for (const jit::Node* node : std::as_const(*traced_.graph).nodes()) {
    if (needed_.contains(node) && !compute(*node)) others.push_back(node);
  }
  for (const jit::Node* node : others) lower(*node);
  std::vector<OnnxTensor> outputs;
  for (const jit::Value* output : traced_.graph->outputs()) outputs.push_back(as_tensor(output));
  return outputs;
}

void Lowering::lower(const jit::Node& node) {
  const std::string kind = node.kind().toQualString();
  if (node.kind() == c10::prim::ListConstruct || node.kind() == c10::prim::Constant) return;  // read by their users
  if (node.kind() == c10::prim::ListUnpack) {
    const auto& list = std::get<std::vector<OnnxTensor>>(values_.at(node.input()));
    for (size_t i = 0; i < node.outputs().size(); ++i) values_[node.outputs()[i]] = list.at(i);
    return;
  }
  const Operator lower = find_operator_(is_reshape(kind) ? "aten::reshape" : kind);
  if (lower == nullptr) {
    fail(ErrorCode::kInternal, "cannot export ", kind,
         ": ONNX operators for it are missing. Report it with the name of the network.");
  }
  lower(Operation(*this, node));
}

bool Lowering::compute(const jit::Node& node) {
  if (node.kind() == c10::prim::Constant) {
    if (traced_.counts.contains(node.output())) return false;
    values_[node.output()] = *jit::toIValue(node.output());
    return true;
  }
  const bool is_list = node.kind() == c10::prim::ListConstruct;
  if (node.kind() == c10::prim::ListUnpack) {
    const c10::IValue* const list = known(node.input());
    for (size_t i = 0; list != nullptr && i < node.outputs().size(); ++i)
      values_[node.outputs()[i]] = list->toListRef()[i];
    return list != nullptr;
  }
  if (node.inputs().empty() && !is_list) return false;
  jit::Stack stack;
  for (const jit::Value* input : node.inputs()) {
    const c10::IValue* const value = known(input);
    if (value == nullptr) return false;
    stack.push_back(*value);
  }
  if (is_list) {
    const auto element = node.output()->type()->expectRef<c10::ListType>().getElementType();
    c10::impl::GenericList list(element);
    for (c10::IValue& value : stack) list.push_back(std::move(value));
    values_[node.output()] = c10::IValue(std::move(list));
    return true;
  }
  if (!node.kind().is_aten()) return false;
  if (node.kind() == c10::aten::empty || node.kind() == c10::aten::empty_like)
    fail(ErrorCode::kInternal, "cannot export memory without values: write it in a ConstantScope.");
  node.getOperation()(stack);
  for (size_t i = 0; i < node.outputs().size(); ++i) values_[node.outputs()[i]] = stack.at(i);
  return true;
}

const c10::IValue* Lowering::known(const jit::Value* value) const {
  const auto found = values_.find(value);
  return found == values_.end() ? nullptr : std::get_if<c10::IValue>(&found->second);
}

OnnxTensor Lowering::as_tensor(const jit::Value* value) {
  if (const auto found = values_.find(value); found != values_.end()) {
    if (const auto* tensor = std::get_if<OnnxTensor>(&found->second)) return *tensor;
  }
  OnnxTensor& constant = constants_[value];
  if (constant.is_constant()) return constant;
  const c10::IValue* const values = known(value);
  if (values == nullptr || !values->isTensor())
    fail(ErrorCode::kInternal, "cannot export ", value->debugName(), ": expected a tensor.");
  const auto parameter = traced_.parameter_names.find(value);
  const std::string name = parameter == traced_.parameter_names.end() ? "constant" : parameter->second;
  constant = constant_tensor(values->toTensor(), name);
  return constant;
}

OnnxTensor Lowering::constant_tensor(const at::Tensor& values, const std::string& name) {
  const at::Tensor stored =
      values.is_floating_point() && values.scalar_type() != at::kHalf ? values.to(at::kFloat) : values;
  std::vector<BatchCount> shape;
  for (const int64_t size : stored.sizes()) shape.push_back({0, size});
  return {builder_.constant(stored, name), stored.scalar_type(), std::move(shape), values};
}

std::string Lowering::layer_constant(const at::Tensor& values, const std::string& name) {
  auto& [kept, known] = layer_constants_[values.unsafeGetTensorImpl()];
  if (known.empty()) {
    kept = values;
    known = builder_.constant(values.to(type_), name.empty() ? "constant" : name);
  }
  return known;
}

OnnxTensor Lowering::cast(const OnnxTensor& tensor, at::ScalarType type) {
  if (tensor.type == type) return tensor;
  if (tensor.is_constant()) return constant_tensor(tensor.values.to(type), "constant");
  static const std::unordered_map<at::ScalarType, int64_t> kNumbers = {
      {at::kFloat, 1}, {at::kInt, 6}, {at::kLong, 7}, {at::kBool, 9}, {at::kHalf, 10}};
  return {builder_.add("Cast", {tensor.name}, {{"to", kNumbers.at(type)}}), type, tensor.shape};
}

GraphBuilder& Operation::builder() const { return lowering_.builder(); }

bool Operation::is_none(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  return value != nullptr && (value->isNone() || (value->isTensor() && !value->toTensor().defined()));
}

OnnxTensor Operation::tensor(size_t input) const { return lowering_.as_tensor(node_.input(input)); }

std::vector<OnnxTensor> Operation::tensors(size_t input) const {
  std::vector<OnnxTensor> tensors;
  for (const jit::Value* value : node_.input(input)->node()->inputs()) tensors.push_back(lowering_.as_tensor(value));
  return tensors;
}

bool Operation::is_tensor(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  return value == nullptr ? !lowering_.traced().counts.contains(node_.input(input)) : value->isTensor();
}

at::Tensor Operation::constant(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  return value != nullptr && value->isTensor() ? value->toTensor() : at::Tensor();
}

std::string Operation::parameter_name(size_t input) const {
  const jit::Value* value = node_.input(input);
  while (value->node()->kind() == c10::aten::t) value = value->node()->input();
  const auto& names = lowering_.traced().parameter_names;
  const auto found = names.find(value);
  return found == names.end() ? "" : found->second;
}

bool Operation::is_only_reader(size_t input) const { return lowering_.readers_.at(node_.input(input)) == 1; }

bool Operation::is_after(const std::string& kind) const {
  return node_.input(0)->node()->kind().toQualString() == kind;
}

std::optional<Operation> Operation::only_reader() const {
  const auto readers = lowering_.readers_.find(node_.output());
  if (readers == lowering_.readers_.end() || readers->second != 1) return std::nullopt;
  for (const jit::Use& use : node_.output()->uses()) {
    if (lowering_.needed_.contains(use.user)) return Operation(lowering_, *use.user);
  }
  return std::nullopt;  // an output of the graph
}

BatchCount Operation::count(size_t input) const {
  const auto& counts = lowering_.traced().counts;
  if (const auto found = counts.find(node_.input(input)); found != counts.end()) return found->second;
  return {.per_image = 0, .constant = integer(input)};
}

int64_t Operation::integer(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  if (value != nullptr && value->isInt()) return value->toInt();
  if (value != nullptr && value->isBool()) return value->toBool() ? 1 : 0;
  fail(ErrorCode::kInternal, "cannot export ", kind(), ": expected a whole number as input ", input, ".");
}

double Operation::number(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  if (value == nullptr || !value->isScalar())
    fail(ErrorCode::kInternal, "cannot export ", kind(), ": expected a number as input ", input, ".");
  return value->toScalar().toDouble();
}

std::vector<int64_t> Operation::integers(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  if (value == nullptr || !value->isList())
    fail(ErrorCode::kInternal, "cannot export ", kind(), ": expected numbers as input ", input, ".");
  std::vector<int64_t> integers;
  for (const c10::IValue& element : value->toListRef()) integers.push_back(element.toInt());
  return integers;
}

std::vector<double> Operation::numbers(size_t input) const {
  const c10::IValue* const value = lowering_.known(node_.input(input));
  if (value == nullptr || !value->isList())
    fail(ErrorCode::kInternal, "cannot export ", kind(), ": expected numbers as input ", input, ".");
  std::vector<double> numbers;
  for (const c10::IValue& element : value->toListRef()) numbers.push_back(element.toScalar().toDouble());
  return numbers;
}

int64_t Operation::dimension(size_t input, int64_t dimensions) const {
  const int64_t dimension = integer(input);
  return dimension < 0 ? dimension + dimensions : dimension;
}

const std::vector<BatchCount>& Operation::result_shape(size_t output) const {
  return lowering_.traced().shapes.at(node_.outputs().at(output));
}

at::ScalarType Operation::traced_type(size_t output) const { return type_of(*node_.outputs().at(output)); }

void Operation::result(const std::string& name, at::ScalarType type, size_t output) const {
  const jit::Value* const value = node_.outputs().at(output);
  lowering_.values_[value] = OnnxTensor{name, type, result_shape(output)};
}

void Operation::result(const std::vector<OnnxTensor>& list) const { lowering_.values_[node_.output()] = list; }

void Operation::pass_on(size_t input) const { lowering_.values_[node_.output()] = tensor(input); }

}  // namespace reviewkd::onnx
