// Sorting and selecting by values, and the regions of detectors.

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/onnx/operators/operators.h"

namespace reviewkd::onnx {
namespace {

/// (input, k, dim, largest, sorted) -> values, indices
void largest(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  const Names names = operation.builder().add(
      "TopK", {input.name, operation.builder().constant(std::vector{operation.integer(1)})},
      {{"axis", operation.dimension(2, input.dimensions())}, {"largest", operation.integer(3)}, {"sorted", int64_t{1}}},
      2);
  operation.result(names[0], input.type, 0);
  operation.result(names[1], at::kLong, 1);
}

/// (input, dim, index, …)
void gather(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(operation.builder().add("GatherElements", {input.name, operation.tensor(2).name},
                                           {{"axis", operation.dimension(1, input.dimensions())}}),
                   input.type);
}

/// (input, dim, index)
void index_select(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(operation.builder().add("Gather", {input.name, operation.tensor(2).name},
                                           {{"axis", operation.dimension(1, input.dimensions())}}),
                   input.type);
}

/// (input, dims, keepdim, dtype)
void sum(const Operation& operation) {
  const OnnxTensor input = operation.tensor(0);
  operation.result(
      operation.builder().add("ReduceSum", {input.name, operation.builder().constant(operation.integers(1))},
                              {{"keepdims", operation.integer(2)}}),
      input.type);
}

/// A tensor of zeros.
std::string zeros(GraphBuilder& builder, const std::vector<BatchCount>& shape) {
  return builder.add("ConstantOfShape", {builder.counts(shape)},
                     {{"value", initializer_of("", at::zeros({1}, at::kFloat))}});
}

/// (boxes [G, B, 4], scores [G, C, B], threshold) -> the scores of the boxes that remain, and 0
void suppressed_scores(const Operation& operation) {
  GraphBuilder& builder = operation.builder();
  const OnnxTensor boxes = operation.lowering().cast(operation.tensor(0), at::kFloat);
  const OnnxTensor scores = operation.lowering().cast(operation.tensor(1), at::kFloat);
  const auto number = [&](double value) { return builder.constant(at::tensor({static_cast<float>(value)})); };
  const std::string kept =
      builder.add("NonMaxSuppression", {boxes.name, scores.name, builder.constant(std::vector{boxes.shape[1].constant}),
                                        number(operation.number(2)), number(0)});  // [M, 3]
  const std::string values = builder.add("GatherND", {scores.name, kept});
  operation.result(builder.add("ScatterND", {zeros(builder, scores.shape), kept, values}), at::kFloat);
}

/// (maps, rois [K, 5], levels [K], scales, height, width, sampling_ratio, aligned) -> [K, C, height, width]
void roi_align(const Operation& operation) {
  GraphBuilder& builder = operation.builder();
  Lowering& lowering = operation.lowering();
  const std::vector<OnnxTensor> maps = operation.tensors(0);
  const std::string rois = lowering.cast(operation.tensor(1), at::kFloat).name;
  const std::string levels = operation.tensor(2).name;
  const auto one = [&](int64_t value) { return builder.constant(std::vector{value}); };
  const std::string boxes = builder.add("Slice", {rois, one(1), one(5), one(1)});
  const std::string images = builder.add(
      "Cast",
      {builder.add("Gather", {rois, builder.constant(at::scalar_tensor(0, at::kLong))}, {{"axis", int64_t{1}}})},
      {{"to", int64_t{7}}});
  const std::vector<double> scales = operation.numbers(3);
  std::string result = zeros(builder, operation.result_shape());
  for (size_t level = 0; level < maps.size(); ++level) {
    const std::string is_own =
        builder.add("Equal", {levels, builder.constant(at::scalar_tensor(static_cast<int64_t>(level), at::kLong))});
    const std::string own = builder.add("Squeeze", {builder.add("NonZero", {is_own}), one(0)});  // [M]
    const std::string pooled = builder.add(
        "RoiAlign",
        {lowering.cast(maps[level], at::kFloat).name, builder.add("Gather", {boxes, own}),
         builder.add("Gather", {images, own})},
        {{"output_height", operation.integer(4)},
         {"output_width", operation.integer(5)},
         {"sampling_ratio", operation.integer(6)},
         {"spatial_scale", static_cast<float>(scales.at(level))},
         {"mode", std::string("avg")},
         {"coordinate_transformation_mode", std::string(operation.flag(7) ? "half_pixel" : "output_half_pixel")}});
    result = builder.add("ScatterND", {result, builder.add("Unsqueeze", {own, one(1)}), pooled});
  }
  operation.result(result, at::kFloat);
}

}  // namespace

OperatorRows selection_operators() {
  return {
      {"aten::topk", largest},
      {"aten::gather", gather},
      {"aten::index_select", index_select},
      {"aten::sum", sum},
      {"reviewkd::suppressed_scores", suppressed_scores},
      {"reviewkd::roi_align", roi_align},
  };
}

}  // namespace reviewkd::onnx
