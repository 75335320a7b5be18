#pragma once
// Maps that are not kept until the backward pass but made again then, from maps that are kept anyway: what a normalization makes of a
// convolution's result, above all. Chen et al.: "Training Deep Nets with Sublinear Memory Cost" (2016).

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <optional>
#include <vector>

namespace reviewkd::ops {

/// How a map is made again, any part of it, by the arithmetic that made it.
struct Recomputation {
  /// Writes pixels first … first + count of the map, counted over all images, in its type and in channels-last order.
  using Make = std::function<void(const std::vector<at::Tensor>& sources, int64_t first, int64_t count, void* out)>;

  std::vector<at::Tensor> sources;
  Make make;
};

/// A map [N, C, H, W] and, where it is known, how to make it again. Stands wherever a tensor does.
class LazyTensor {
 public:
  LazyTensor() = default;
  LazyTensor(at::Tensor values, std::optional<Recomputation> again = std::nullopt) : values_(std::move(values)), recomputation_(std::move(again)) {}

  /// A map that is not made before its values are asked for, for functions read it part by part and make each part while they need it.
  /// placeholder: of the map's sizes and type, with its place in the graph, and with other values.
  static LazyTensor deferred(at::Tensor placeholder, Recomputation again);

  /// A map whose maker sums the gradients of two readers: fork has the values' memory and a place of its own in the graph.
  static LazyTensor with_fork(at::Tensor values, at::Tensor fork) {
    LazyTensor map(std::move(values));
    map.fork_ = std::move(fork);
    return map;
  }

  operator const at::Tensor&() const { return values(); }
  const at::Tensor& values() const;
  const std::optional<Recomputation>& recomputation() const { return recomputation_; }

  /// What stands for the map in the graph: its values, or their placeholder.
  const at::Tensor& variable() const { return values_.defined() ? values_ : placeholder_; }
  /// The map for a second reader; the values for makers that do not tell readers apart.
  const at::Tensor& fork() const { return fork_.defined() ? fork_ : values(); }
  bool has_fork() const { return fork_.defined(); }
  bool is_made() const { return values_.defined() || !placeholder_.defined(); }

 private:
  at::Tensor placeholder_;
  mutable at::Tensor values_;
  at::Tensor fork_;
  std::optional<Recomputation> recomputation_;
};

/// What a function keeps of an input until its backward pass: the map, or what it is made of.
class SavedActivation {
 public:
  /// map: [N, C, H, W], in channels-last order, or its placeholder.
  SavedActivation(const at::Tensor& map, const std::optional<Recomputation>& again);

  /// Beside other tensors of the function's; one such map for each function.
  void save(torch::autograd::AutogradContext* context, torch::autograd::variable_list others) const;
  /// Leaves the others in `saved`.
  static SavedActivation restored(torch::autograd::AutogradContext* context, torch::autograd::variable_list& saved);

  /// Pixels first … first + count, counted over all images; made in scratch memory of the calling thread if they were not kept.
  const char* pixels(int64_t first, int64_t count) const;

  /// Nothing where the map was kept itself, the only source.
  const Recomputation::Make& make() const { return make_; }
  const std::vector<at::Tensor>& sources() const { return sources_; }

  at::IntArrayRef sizes() const { return sizes_; }
  at::ScalarType type() const { return type_; }
  /// An empty map of this kind, in channels-last order.
  at::Tensor empty_like() const;

 private:
  SavedActivation(std::vector<at::Tensor> sources, Recomputation::Make make, std::vector<int64_t> sizes, at::ScalarType type)
      : sources_(std::move(sources)), make_(std::move(make)), sizes_(std::move(sizes)), type_(type) {}

  std::vector<at::Tensor> sources_;
  Recomputation::Make make_;
  std::vector<int64_t> sizes_;
  at::ScalarType type_;
};

}  // namespace reviewkd::ops
