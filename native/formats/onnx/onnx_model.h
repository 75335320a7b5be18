#pragma once
// A model in the ONNX format, in memory: https://onnx.ai/onnx/repo-docs/IR.html.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "formats/element_type.h"

namespace reviewkd::onnx {

/// A constant of a graph. `owner` keeps its bytes.
struct Initializer {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  const void* data;  // little-endian, row by row
  std::shared_ptr<const void> owner;
};

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, Initializer>;

struct Node {
  std::string name;
  /// An operator of ONNX, such as Conv.
  std::string op;
  /// Names of values; an empty one stands for an optional input that is left out.
  std::vector<std::string> inputs, outputs;
  std::vector<std::pair<std::string, Attribute>> attributes;
};

/// A size, or the name of one that the caller chooses, such as that of a batch.
using Dimension = std::variant<int64_t, std::string>;

/// An input or an output.
struct ValueInfo {
  std::string name;
  ElementType type;
  std::vector<Dimension> shape;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;  // each after those that it reads
  std::vector<Initializer> initializers;
  std::vector<ValueInfo> inputs, outputs;
};

struct Model {
  Graph graph;
  /// The version of the standard's set of operators.
  int64_t opset;
  std::string producer, producer_version;
  std::string description;
  std::vector<std::pair<std::string, std::string>> metadata;
};

}  // namespace reviewkd::onnx
