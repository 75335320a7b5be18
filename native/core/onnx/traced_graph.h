#pragma once
// The operations of a network's forward pass, recorded by libtorch's tracer for any number of images.

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/models/state_dict.h"

namespace reviewkd::onnx {

/// A number that may depend on the number of images N: per_image · N + constant.
struct BatchCount {
  int64_t per_image;
  int64_t constant;

  bool is_constant() const { return per_image == 0; }
  int64_t at(int64_t images) const { return per_image * images + constant; }
  friend bool operator==(const BatchCount&, const BatchCount&) = default;
};

/// Everything a forward pass did. Values are those of `graph`, which was recorded with two images.
struct TracedGraph {
  std::shared_ptr<torch::jit::Graph> graph;
  /// The input that is no parameter, [N, 3, H, W].
  const torch::jit::Value* images;
  /// Parameters and buffers that the network was called with, by their values, and their names in the state dict.
  std::unordered_map<const torch::jit::Value*, at::Tensor> parameters;
  std::unordered_map<const torch::jit::Value*, std::string> parameter_names;
  /// Whole numbers that depend on the number of images.
  std::unordered_map<const torch::jit::Value*, BatchCount> counts;
  /// Sizes of all tensors.
  std::unordered_map<const torch::jit::Value*, std::vector<BatchCount>> shapes;
};

/// A function of images [N, 3, H, W] that is traced.
using ImageFunction = std::function<std::vector<at::Tensor>(const at::Tensor& images)>;

/// Records `function`, which reads the tensors of `state`, on images of this size and of the first tensor's type and
/// device. It runs twice, on two and on three images: whatever differs depends on their number. Takes the reference
/// path, without gradients. Throws INTERNAL if the two runs differ in more than numbers.
TracedGraph trace(const NamedTensors& state, int64_t height, int64_t width, const ImageFunction& function);

/// Records `function` on `images` alone, with their number built in.
std::shared_ptr<torch::jit::Graph> trace_batch(const NamedTensors& state, const at::Tensor& images,
                                               const ImageFunction& function);

}  // namespace reviewkd::onnx
