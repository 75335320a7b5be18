// Arithmetic and comparisons, element by element. What is computed from float32 stays float32.

#include <ATen/ATen.h>

#include <cmath>
#include <optional>

#include "core/base/error.h"
#include "core/onnx/operators/operators.h"

namespace reviewkd::onnx {
namespace {

/// A tensor, or a number of a type that the other operand decides.
OnnxTensor operand(const Operation& operation, size_t input) {
  if (operation.is_tensor(input)) return operation.tensor(input);
  return operation.lowering().constant_tensor(at::scalar_tensor(operation.number(input), at::kDouble));
}

/// The type in which operands meet. libtorch's rule, but for the precision of floating point, which only tensors that are
/// no constants decide.
at::ScalarType common_type(const std::vector<OnnxTensor>& operands) {
  std::optional<at::ScalarType> floating, whole;
  bool has_floating = false;
  for (const OnnxTensor& tensor : operands) {
    if (tensor.is_floating_point()) {
      has_floating = true;
      if (!tensor.is_constant() && floating != at::kFloat) floating = tensor.type;
    } else if (!tensor.is_constant() || !whole) {
      whole = tensor.type;
    }
  }
  if (floating) return *floating;
  if (!has_floating) return *whole;
  return at::kFloat;
}

Names converted(const Operation& operation, const std::vector<OnnxTensor>& operands, at::ScalarType type) {
  Names names;
  for (const OnnxTensor& tensor : operands) names.push_back(operation.lowering().cast(tensor, type).name);
  return names;
}

bool is_whole(const Operation& operation) { return !at::isFloatingType(operation.traced_type()); }

void binary_of(const Operation& operation, const char* op, const std::vector<OnnxTensor>& operands) {
  const at::ScalarType type = is_whole(operation) ? at::kLong : common_type(operands);
  operation.result(operation.builder().add(op, converted(operation, operands, type)), type);
}

void binary(const Operation& operation, const char* op) {
  binary_of(operation, op, {operand(operation, 0), operand(operation, 1)});
}

/// `alpha` scales the second operand of sums.
void require_alpha_of_one(const Operation& operation) {
  if (operation.input_count() > 2 && operation.number(2) != 1)
    fail(ErrorCode::kInternal, "cannot export a sum whose second operand is scaled.");
}

void add(const Operation& operation) {
  require_alpha_of_one(operation);
  binary(operation, "Add");
}

void subtract(const Operation& operation) {
  require_alpha_of_one(operation);
  binary(operation, "Sub");
}

void subtract_from(const Operation& operation) {
  require_alpha_of_one(operation);
  binary_of(operation, "Sub", {operand(operation, 1), operand(operation, 0)});
}

/// (input, other, rounding_mode): whole numbers that are not negative are divided without the rest.
void divide(const Operation& operation) {
  if (operation.input_count() > 2 && !operation.is_none(2) && !is_whole(operation))
    fail(ErrorCode::kInternal, "cannot export a rounded division of fractions.");
  binary(operation, "Div");
}

void remainder(const Operation& operation) {
  if (!is_whole(operation)) fail(ErrorCode::kInternal, "cannot export a remainder of fractions.");
  binary(operation, "Mod");
}

void compare(const Operation& operation, const char* op) {
  const std::vector<OnnxTensor> operands = {operand(operation, 0), operand(operation, 1)};
  operation.result(operation.builder().add(op, converted(operation, operands, common_type(operands))), at::kBool);
}

void logical_and(const Operation& operation) {
  operation.result(operation.builder().add("And", {operation.tensor(0).name, operation.tensor(1).name}), at::kBool);
}

void unary_function(const Operation& operation, const char* op) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(operation.builder().add(op, {input.name}), input.type);
}

void base_2_logarithm(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const std::string natural = operation.builder().add("Log", {input.name});
  const OnnxTensor two = operation.lowering().constant_tensor(at::scalar_tensor(std::log(2.0), at::kDouble));
  operation.result(operation.builder().add("Div", {natural, operation.lowering().cast(two, input.type).name}),
                   input.type);
}

/// An end of a range, of the type of the values; empty if there is none.
std::string bound(const Operation& operation, size_t input, at::ScalarType type) {
  if (operation.input_count() <= input || operation.is_none(input)) return "";
  return operation.lowering().cast(operand(operation, input), type).name;
}

/// (input, min, max)
void clamp(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(
      operation.builder().add("Clip", {input.name, bound(operation, 1, input.type), bound(operation, 2, input.type)}),
      input.type);
}

/// (input, max)
void clamp_max(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(operation.builder().add("Clip", {input.name, "", bound(operation, 1, input.type)}), input.type);
}

/// (condition, self, other)
void where(const Operation& operation) {
  const std::vector<OnnxTensor> operands = {operand(operation, 1), operand(operation, 2)};
  const at::ScalarType type = is_whole(operation) ? operation.traced_type() : common_type(operands);
  const Names names = converted(operation, operands, type);
  operation.result(operation.builder().add("Where", {operation.tensor(0).name, names[0], names[1]}), type);
}

/// (input, dim, dtype): in float32, as logits are.
void softmax(const Operation& operation) {
  const OnnxTensor input = operation.lowering().cast(operation.tensor(0), at::kFloat);
  operation.result(
      operation.builder().add("Softmax", {input.name}, {{"axis", operation.dimension(1, input.dimensions())}}),
      at::kFloat);
}

/// (input, dtype, …)
void convert(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  at::ScalarType type = operation.traced_type();
  // The code requests float32 where float16 has too few digits, and for the network's own type elsewhere.
  if (at::isFloatingType(type)) {
    // A float64 network requests its own type, which is as good.
    const bool requests_float32 = type == at::kFloat || type == at::kDouble;
    type = requests_float32 || !input.is_floating_point() ? at::kFloat : input.type;
  }
  const OnnxTensor result = operation.lowering().cast(input, type);
  operation.result(result.name, result.type);
}

}  // namespace

OperatorRows elementwise_operators() {
  return {
      {"aten::add", add},
      {"aten::sub", subtract},
      {"aten::rsub", subtract_from},
      {"aten::mul", [](const Operation& operation) { binary(operation, "Mul"); }},
      {"aten::div", divide},
      {"aten::remainder", remainder},
      {"aten::minimum", [](const Operation& operation) { binary(operation, "Min"); }},
      {"aten::maximum", [](const Operation& operation) { binary(operation, "Max"); }},
      {"aten::gt", [](const Operation& operation) { compare(operation, "Greater"); }},
      {"aten::ge", [](const Operation& operation) { compare(operation, "GreaterOrEqual"); }},
      {"aten::lt", [](const Operation& operation) { compare(operation, "Less"); }},
      {"aten::eq", [](const Operation& operation) { compare(operation, "Equal"); }},
      {"aten::logical_and", logical_and},
      {"aten::exp", [](const Operation& operation) { unary_function(operation, "Exp"); }},
      {"aten::sqrt", [](const Operation& operation) { unary_function(operation, "Sqrt"); }},
      {"aten::floor", [](const Operation& operation) { unary_function(operation, "Floor"); }},
      {"aten::log2", base_2_logarithm},
      {"aten::clamp", clamp},
      {"aten::clamp_min", clamp},
      {"aten::hardtanh", clamp},
      {"aten::clamp_max", clamp_max},
      {"aten::where", where},
      {"aten::softmax", softmax},
      {"aten::to", convert},
  };
}

}  // namespace reviewkd::onnx
