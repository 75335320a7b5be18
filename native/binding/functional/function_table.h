#pragma once
// The functions that JavaScript calls by their names, and how they are differentiated.

#include <string>
#include <vector>

#include "binding/functional/tensor_tree.h"
#include "core/base/options.h"
#include "core/ops/images/image_batch.h"

namespace reviewkd::binding {

struct FunctionOutput {
  FunctionOutput(TensorTree value, at::Tensor differentiated = {})
      : value(std::move(value)), differentiated(std::move(differentiated)) {}
  /// An output that is differentiated itself.
  FunctionOutput(at::Tensor output) : value(output), differentiated(std::move(output)) {}

  TensorTree value;
  /// The tensor to which the gradient of the output belongs; undefined if the function has no gradient.
  at::Tensor differentiated;
};

struct FunctionRow {
  std::string name;
  /// The inputs that have a gradient.
  std::vector<std::string> differentiable;
  FunctionOutput (*compute)(const TensorTree& inputs, const Options& options);
};

/// Operations on boxes, maps and losses.
const std::vector<FunctionRow>& operation_rows();

/// Inner parts of detectors.
const std::vector<FunctionRow>& detection_rows();

// For results and options of several functions.
TensorTree number_of(const at::Tensor& scalar);
ImageSize size_from(const Options& options, const std::string& field);
std::vector<ImageSize> sizes_from(const Options& options, const std::string& field);
TensorTree to_tree(const ImageSize& size);

}  // namespace reviewkd::binding
