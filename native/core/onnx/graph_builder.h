#pragma once
// Assembles an ONNX graph: names, constants, nodes.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/onnx/traced_graph.h"
#include "formats/onnx/onnx_model.h"

namespace reviewkd::onnx {

using Attributes = std::vector<std::pair<std::string, Attribute>>;
using Names = std::vector<std::string>;

/// The type of a file's elements. Throws INTERNAL for one that ONNX graphs here have no use for.
ElementType element_type_of(at::ScalarType type);

/// A copy of `values` as a constant of that name.
Initializer initializer_of(const std::string& name, const at::Tensor& values);

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string images) : images_(std::move(images)) {}

  /// Adds a node with one output and returns the output's name, which is that of the operator with a number.
  std::string add(const std::string& op, const Names& inputs, const Attributes& attributes = {});
  /// The same with several outputs.
  Names add(const std::string& op, const Names& inputs, const Attributes& attributes, size_t outputs);
  /// The same, whose output has this name.
  void add_named(const std::string& op, const Names& inputs, const Attributes& attributes, const std::string& output);

  /// Adds a constant, or finds an equal small one. name: a wish; equal names get numbers.
  std::string constant(const at::Tensor& values, const std::string& name = "constant");
  std::string constant(const std::vector<int64_t>& values);

  /// The number as int64 [1]. Those that depend on the number of images are computed from it.
  std::string count(const BatchCount& count);
  /// The numbers as int64 [n], such as a shape.
  std::string counts(const std::vector<BatchCount>& counts);

  /// Gives values the names of the graph's outputs, in order, and leaves out what they do not need.
  Graph finish(const Names& values, const Names& names) &&;

  Graph& graph() { return graph_; }

 private:
  std::string unique(const std::string& wish);
  void rename(const std::string& from, const std::string& to);
  /// The number of images, int64 [1].
  const std::string& image_count();

  std::string images_, image_count_;
  Graph graph_;
  std::unordered_set<std::string> used_;
  std::map<std::pair<ElementType, std::pair<std::vector<int64_t>, std::string>>, std::string> small_constants_;
};

}  // namespace reviewkd::onnx
