// Shapes, parts and joins of tensors.

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "core/base/error.h"
#include "core/onnx/operators/operators.h"

namespace reviewkd::onnx {
namespace {

/// Gives `tensor` a shape, of which one size may depend on the number of images.
std::string reshaped(const Operation& operation, const OnnxTensor& tensor, const std::vector<BatchCount>& shape) {
  std::vector<int64_t> sizes;
  for (const BatchCount& size : shape) sizes.push_back(size.is_constant() ? size.constant : -1);
  if (std::ranges::count(sizes, -1) > 1)
    return operation.builder().add("Reshape", {tensor.name, operation.builder().counts(shape)});
  return operation.builder().add("Reshape", {tensor.name, operation.builder().constant(sizes)});
}

void reshape(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const auto& shape = operation.result_shape();
  if (shape == input.shape) return operation.pass_on(0);
  const bool flattens = shape.size() == 2 && input.shape.front() == shape.front() && !shape[0].is_constant();
  operation.result(flattens ? operation.builder().add("Flatten", {input.name}, {{"axis", int64_t{1}}})
                            : reshaped(operation, input, shape),
                   input.type);
}

void permuted(const Operation& operation, const std::vector<int64_t>& order) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(operation.builder().add("Transpose", {input.name}, {{"perm", order}}), input.type);
}

/// (input, dims)
void permute(const Operation& operation) {
  std::vector<int64_t> order = operation.integers(1);
  for (int64_t& dimension : order) dimension += dimension < 0 ? static_cast<int64_t>(order.size()) : 0;
  permuted(operation, order);
}

/// (input, dim0, dim1)
void transpose(const Operation& operation) {
  const int64_t dimensions = operation.tensor(0).dimensions();
  std::vector<int64_t> order(dimensions);
  for (int64_t i = 0; i < dimensions; ++i) order[i] = i;
  std::swap(order[operation.dimension(1, dimensions)], order[operation.dimension(2, dimensions)]);
  permuted(operation, order);
}

std::string sliced(const Operation& operation, const std::string& input, int64_t dimension, int64_t begin, int64_t end,
                   int64_t step = 1) {
  GraphBuilder& builder = operation.builder();
  const auto one = [&](int64_t value) { return builder.constant(std::vector{value}); };
  return builder.add("Slice", {input, one(begin), one(end), one(dimension), one(step)});
}

/// (input, dim, start, end, step)
void slice(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const auto end_or = [&](size_t i, int64_t value) { return operation.is_none(i) ? value : operation.integer(i); };
  operation.result(sliced(operation, input.name, operation.dimension(1, input.dimensions()), end_or(2, 0),
                          end_or(3, std::numeric_limits<int64_t>::max()), operation.integer(4)),
                   input.type);
}

/// (input, dim, start, length)
void narrow(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const int64_t begin = operation.integer(2);
  operation.result(
      sliced(operation, input.name, operation.dimension(1, input.dimensions()), begin, begin + operation.integer(3)),
      input.type);
}

/// (input, dim, index)
void select(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const std::string index = operation.builder().constant(at::scalar_tensor(operation.integer(2), at::kLong));
  operation.result(
      operation.builder().add("Gather", {input.name, index}, {{"axis", operation.dimension(1, input.dimensions())}}),
      input.type);
}

/// Parts of these sizes, one after the other.
void split(const Operation& operation, int64_t dimension, const std::vector<int64_t>& sizes) {
  const OnnxTensor input = operation.tensor(0);
  const Names names = operation.builder().add("Split", {input.name, operation.builder().constant(sizes)},
                                              {{"axis", dimension}}, sizes.size());
  std::vector<OnnxTensor> parts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    parts.push_back({names[i], input.type, input.shape});
    parts.back().shape[dimension] = {0, sizes[i]};
  }
  operation.result(parts);
}

/// (input, sizes, dim)
void split_with_sizes(const Operation& operation) {
  split(operation, operation.dimension(2, operation.tensor(0).dimensions()), operation.integers(1));
}

/// (input, chunks, dim): equal parts but for the last.
void chunk(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const int64_t dimension = operation.dimension(2, input.dimensions());
  const int64_t whole = input.shape[dimension].constant, chunks = operation.integer(1);
  const int64_t length = (whole + chunks - 1) / chunks;
  std::vector<int64_t> sizes;
  for (int64_t begin = 0; begin < whole; begin += length) sizes.push_back(std::min(length, whole - begin));
  split(operation, dimension, sizes);
}

std::vector<OnnxTensor> of_one_type(const Operation& operation) {
  std::vector<OnnxTensor> tensors = operation.tensors(0);
  at::ScalarType type = tensors.front().type;
  for (const OnnxTensor& tensor : tensors) type = at::promote_types(type, tensor.type);
  for (OnnxTensor& tensor : tensors) tensor = operation.lowering().cast(tensor, type);
  return tensors;
}

void join(const Operation& operation, const std::vector<OnnxTensor>& parts, int64_t dimension) {
  Names names;
  for (const OnnxTensor& part : parts) names.push_back(part.name);
  operation.result(operation.builder().add("Concat", names, {{"axis", dimension}}), parts.front().type);
}

/// (tensors, dim)
void concatenate(const Operation& operation) {
  const std::vector<OnnxTensor> parts = of_one_type(operation);
  join(operation, parts, operation.dimension(1, parts.front().dimensions()));
}

/// (tensors, dim)
void stack(const Operation& operation) {
  std::vector<OnnxTensor> parts = of_one_type(operation);
  const int64_t dimension = operation.dimension(1, parts.front().dimensions() + 1);
  for (OnnxTensor& part : parts)
    part.name = operation.builder().add("Unsqueeze", {part.name, operation.builder().constant(std::vector{dimension})});
  join(operation, parts, dimension);
}

/// (input, dim)
void unsqueeze(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const int64_t dimension = operation.dimension(1, input.dimensions() + 1);
  operation.result(
      operation.builder().add("Unsqueeze", {input.name, operation.builder().constant(std::vector{dimension})}),
      input.type);
}

/// (input, dim)
void squeeze(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const int64_t dimension = operation.dimension(1, input.dimensions());
  operation.result(
      operation.builder().add("Squeeze", {input.name, operation.builder().constant(std::vector{dimension})}),
      input.type);
}

/// (input, sizes, implicit)
void expand(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  if (operation.result_shape() == input.shape) return operation.pass_on(0);
  operation.result(
      operation.builder().add("Expand", {input.name, operation.builder().counts(operation.result_shape())}),
      input.type);
}

/// (input, dims)
void flip(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  std::string name = input.name;
  for (int64_t dimension : operation.integers(1)) {
    if (dimension < 0) dimension += input.dimensions();
    name = sliced(operation, name, dimension, -1, std::numeric_limits<int64_t>::min(), -1);
  }
  operation.result(name, input.type);
}

/// (input, pad: of the last dimension before and after, then of the one before it, …, value)
void pad(const Operation& operation) {
  if (operation.number(2) != 0) fail(ErrorCode::kInternal, "cannot export padding with other values than 0.");
  const OnnxTensor input = operation.tensor(0);
  const std::vector<int64_t> padding = operation.integers(1);
  const size_t dimensions = input.shape.size();
  std::vector<int64_t> pads(2 * dimensions, 0);
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    pads[dimensions - 1 - i] = padding[2 * i];
    pads[2 * dimensions - 1 - i] = padding[2 * i + 1];
  }
  operation.result(operation.builder().add("Pad", {input.name, operation.builder().constant(pads)}), input.type);
}

/// (end, …): 0, 1, …
void count_up(const Operation& operation) {
  GraphBuilder& builder = operation.builder();
  const auto scalar = [&](int64_t value) { return builder.constant(at::scalar_tensor(value, at::kLong)); };
  const std::string end =
      builder.add("Squeeze", {builder.count(operation.count(0)), builder.constant(std::vector<int64_t>{0})});
  const std::string range = builder.add("Range", {scalar(0), end, scalar(1)});
  const bool is_whole = !at::isFloatingType(operation.traced_type());
  const OnnxTensor result =
      operation.lowering().cast({range, at::kLong, operation.result_shape()}, is_whole ? at::kLong : at::kFloat);
  operation.result(result.name, result.type);
}

void pass_on(const Operation& operation) { operation.pass_on(0); }

}  // namespace

OperatorRows shape_operators() {
  return {
      {"aten::reshape", reshape},
      {"aten::permute", permute},
      {"aten::transpose", transpose},
      {"aten::slice", slice},
      {"aten::narrow", narrow},
      {"aten::select", select},
      {"aten::split_with_sizes", split_with_sizes},
      {"aten::chunk", chunk},
      {"aten::cat", concatenate},
      {"aten::stack", stack},
      {"aten::unsqueeze", unsqueeze},
      {"aten::squeeze", squeeze},
      {"aten::expand", expand},
      {"aten::flip", flip},
      {"aten::constant_pad_nd", pad},
      {"aten::arange", count_up},
      // These differ in the order or the owner of memory.
      {"aten::contiguous", pass_on},
      {"aten::clone", pass_on},
      {"aten::detach", pass_on},
      {"aten::alias", pass_on},
  };
}

}  // namespace reviewkd::onnx
