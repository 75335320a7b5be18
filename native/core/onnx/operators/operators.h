#pragma once
// The table of libtorch's operations that have ONNX operators, each with the function that writes them.

#include <string>
#include <utility>
#include <vector>

#include "core/onnx/lowering.h"

namespace reviewkd::onnx {

using OperatorRows = std::vector<std::pair<std::string, Operator>>;

/// Convolutions, linear layers, normalizations, activations, pooling.
OperatorRows layer_operators();
/// Arithmetic and comparisons, element by element.
OperatorRows elementwise_operators();
/// Shapes, parts and joins of tensors.
OperatorRows shape_operators();
/// Sorting and selecting by values, and regions of detectors.
OperatorRows selection_operators();

/// nullptr for an operation without a row.
Operator find_operator(const std::string& kind);

}  // namespace reviewkd::onnx
