// Layers of networks: their weights are constants, and they compute in the precision of the export.

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/onnx/operators/operators.h"

namespace reviewkd::onnx {
namespace {

/// [top, left] padding as ONNX has it: at the start of both dimensions, then at their end.
std::vector<int64_t> both_ends(const std::vector<int64_t>& padding) {
  return {padding.at(0), padding.at(padding.size() - 1), padding.at(0), padding.at(padding.size() - 1)};
}

/// One number stands for both dimensions.
std::vector<int64_t> pair_of(const std::vector<int64_t>& numbers) {
  return numbers.size() == 1 ? std::vector<int64_t>{numbers[0], numbers[0]} : numbers;
}

/// The input in the type that layers compute in.
std::string layer_input(const Operation& operation, size_t input) {
  return operation.lowering().cast(operation.tensor(input), operation.lowering().type()).name;
}

/// A parameter of a layer as a constant of this precision.
std::string layer_constant(const Operation& operation, const at::Tensor& values, const std::string& name) {
  return operation.lowering().layer_constant(values, name);
}

std::string bias_name(const std::string& weight) {
  constexpr std::string_view kWeight = "weight";
  return weight.ends_with(kWeight) ? weight.substr(0, weight.size() - kWeight.size()) + "bias" : "";
}

/// Scales and shifts of a normalization by running statistics, float64.
struct ScaleShift {
  at::Tensor scale, shift;  // [C]
};

/// norm: (input, weight, bias, running_mean, running_var, training, momentum, eps, …)
ScaleShift scale_shift(const Operation& norm) {
  const auto values = [&](size_t input) { return norm.constant(input).to(at::kDouble); };
  const at::Tensor scale = values(1) / (values(4) + norm.number(7)).sqrt();
  return {scale, values(2) - values(3) * scale};
}

/// Weights [O, …] and bias [O] of a convolution, and the names of its constants.
struct ConvolutionValues {
  at::Tensor weight, bias;
  std::string weight_name, bias_name;
};

/// The layer with a normalization folded into it, in float64.
ConvolutionValues folded(const ConvolutionValues& layer, const Operation& norm) {
  const auto [scale, shift] = scale_shift(norm);
  return {.weight = layer.weight.to(at::kDouble) * scale.view({-1, 1, 1, 1}),
          .bias = layer.bias.defined() ? layer.bias.to(at::kDouble) * scale + shift : shift,
          .weight_name = layer.weight_name,
          .bias_name = bias_name(norm.parameter_name(1))};
}

constexpr const char* kBatchNorm = "aten::batch_norm";

/// (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, …)
void convolution(const Operation& operation) {
  const std::string name = operation.parameter_name(1);
  ConvolutionValues layer{.weight = operation.constant(1),
                          .bias = operation.is_none(2) ? at::Tensor() : operation.constant(2),
                          .weight_name = name,
                          .bias_name = bias_name(name)};
  if (!layer.weight.defined()) fail(ErrorCode::kInternal, "cannot export a convolution whose weights are computed.");
  const auto norm = operation.only_reader();
  const bool folds = norm && norm->kind() == kBatchNorm;
  if (folds) {
    if (operation.flag(6)) fail(ErrorCode::kInternal, "cannot export a transposed convolution before a normalization.");
    layer = folded(layer, *norm);
  }
  // Folded values are this layer's alone: no other shares them.
  const auto constant = [&](const at::Tensor& values, const std::string& wish) {
    if (!folds) return layer_constant(operation, values, wish);
    return operation.builder().constant(values.to(operation.lowering().type()), wish.empty() ? "constant" : wish);
  };
  Names inputs = {layer_input(operation, 0), constant(layer.weight, layer.weight_name)};
  if (layer.bias.defined()) inputs.push_back(constant(layer.bias, layer.bias_name));
  const std::string output = operation.builder().add(operation.flag(6) ? "ConvTranspose" : "Conv", inputs,
                                                     {{"kernel_shape", layer.weight.sizes().slice(2).vec()},
                                                      {"strides", pair_of(operation.integers(3))},
                                                      {"pads", both_ends(operation.integers(4))},
                                                      {"dilations", pair_of(operation.integers(5))},
                                                      {"group", operation.integer(8)}});
  operation.result(output, operation.lowering().type());
}

void batch_norm(const Operation& operation) {
  if (operation.flag(5)) fail(ErrorCode::kInternal, "cannot export a normalization by the statistics of a batch.");
  if (operation.is_after("aten::_convolution") && operation.is_only_reader(0)) return operation.pass_on(0);
  const auto parameter = [&](size_t i) {
    return layer_constant(operation, operation.constant(i), operation.parameter_name(i));
  };
  operation.result(
      operation.builder().add("BatchNormalization",
                              {layer_input(operation, 0), parameter(1), parameter(2), parameter(3), parameter(4)},
                              {{"epsilon", static_cast<float>(operation.number(7))}}),
      operation.lowering().type());
}

/// weight: [O, I]; rows and bias: the inputs that they are.
void linear_layer(const Operation& operation, size_t rows, at::Tensor weight, const std::string& name, size_t bias) {
  if (!weight.defined() || operation.tensor(rows).dimensions() != 2)
    fail(ErrorCode::kInternal, "cannot export a linear layer unless it is of rows, with weights that are constants.");
  Names inputs = {layer_input(operation, rows), layer_constant(operation, weight, name)};
  if (!operation.is_none(bias)) inputs.push_back(layer_constant(operation, operation.constant(bias), bias_name(name)));
  operation.result(operation.builder().add("Gemm", inputs, {{"transB", int64_t{1}}}), operation.lowering().type());
}

/// (input, weight, bias)
void linear(const Operation& operation) {
  linear_layer(operation, 0, operation.constant(1), operation.parameter_name(1), 2);
}

/// `beta` and `alpha` scale the two parts of a sum.
void require_plain_sum(const Operation& operation) {
  if (operation.number(3) != 1 || operation.number(4) != 1)
    fail(ErrorCode::kInternal, "cannot export ", operation.kind(), " with factors.");
}

/// (bias, input, transposed weight, beta, alpha)
void linear_of_transposed(const Operation& operation) {
  require_plain_sum(operation);
  const at::Tensor weight = operation.constant(2);
  linear_layer(operation, 1, weight.defined() ? weight.t() : weight, operation.parameter_name(2), 0);
}

/// (input, batch1, batch2, beta, alpha): input + batch1 · batch2
void add_product(const Operation& operation) {
  require_plain_sum(operation);
  const std::string product = operation.builder().add("MatMul", {layer_input(operation, 1), layer_input(operation, 2)});
  operation.result(operation.builder().add("Add", {product, layer_input(operation, 0)}), operation.lowering().type());
}

void unary(const Operation& operation, const char* op) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(operation.builder().add(op, {input.name}), input.type);
}

/// (input, kernel, stride, padding, dilation, ceil_mode)
void max_pool(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const std::vector<int64_t> kernel = pair_of(operation.integers(1)), stride = operation.integers(2);
  operation.result(operation.builder().add("MaxPool", {input.name},
                                           {{"kernel_shape", kernel},
                                            {"strides", stride.empty() ? kernel : pair_of(stride)},
                                            {"pads", both_ends(operation.integers(3))},
                                            {"dilations", pair_of(operation.integers(4))},
                                            {"ceil_mode", operation.integer(5)}}),
                   input.type);
}

/// (input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)
void average_pool(const Operation& operation) {
  if (!operation.is_none(6)) fail(ErrorCode::kInternal, "cannot export average pooling with a divisor of its own.");
  const OnnxTensor input = operation.tensor(0);
  const std::vector<int64_t> kernel = pair_of(operation.integers(1)), stride = operation.integers(2);
  operation.result(operation.builder().add("AveragePool", {input.name},
                                           {{"kernel_shape", kernel},
                                            {"strides", stride.empty() ? kernel : pair_of(stride)},
                                            {"pads", both_ends(operation.integers(3))},
                                            {"ceil_mode", operation.integer(4)},
                                            {"count_include_pad", operation.integer(5)}}),
                   input.type);
}

void adaptive_average_pool(const Operation& operation) {
  if (operation.integers(1) != std::vector<int64_t>{1, 1})
    fail(ErrorCode::kInternal, "cannot export adaptive pooling to more than one pixel.");
  unary(operation, "GlobalAveragePool");
}

/// (input, size, …)
void upsample_nearest(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  // Scales and not sizes: these would contain the number of images. Sizes that are no multiples are taken as they are.
  const auto& from = input.shape;
  const auto& to = operation.result_shape();
  const auto scale = [&](size_t i) {
    return static_cast<float>(to[i].constant) / static_cast<float>(from[i].constant);
  };
  const bool is_exact = to[2].constant % from[2].constant == 0 && to[3].constant % from[3].constant == 0;
  const std::string scales = is_exact ? operation.builder().constant(at::tensor({1.0F, 1.0F, scale(2), scale(3)})) : "";
  Names inputs = {input.name, "", scales};
  if (!is_exact) inputs = {input.name, "", "", operation.builder().counts(to)};
  operation.result(operation.builder().add("Resize", inputs,
                                           {{"mode", std::string("nearest")},
                                            {"coordinate_transformation_mode", std::string("asymmetric")},
                                            {"nearest_mode", std::string("floor")}}),
                   input.type);
}

}  // namespace

OperatorRows layer_operators() {
  return {
      {"aten::_convolution", convolution},
      {kBatchNorm, batch_norm},
      {"aten::linear", linear},
      {"aten::addmm", linear_of_transposed},
      {"aten::baddbmm", add_product},
      {"aten::relu", [](const Operation& operation) { unary(operation, "Relu"); }},
      {"aten::sigmoid", [](const Operation& operation) { unary(operation, "Sigmoid"); }},
      {"aten::max_pool2d", max_pool},
      {"aten::avg_pool2d", average_pool},
      {"aten::adaptive_avg_pool2d", adaptive_average_pool},
      {"aten::upsample_nearest2d", upsample_nearest},
  };
}

}  // namespace reviewkd::onnx
