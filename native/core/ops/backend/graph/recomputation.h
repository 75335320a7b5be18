#pragma once
// Maps that are recomputed in the backward pass instead of kept, from maps that are kept anyway: mainly the
// normalized output of a convolution. Chen et al.: "Training Deep Nets with Sublinear Memory Cost" (2016).

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <optional>
#include <vector>

#include "core/ops/backend/scratch/scratch.h"

namespace reviewkd::ops {

/// Recomputes any part of a map with the arithmetic that produced it.
struct Recomputation {
  /// Writes pixels first … first + count of the map, counted over all images, in its type and in channels-last order.
  using Make = std::function<void(const std::vector<at::Tensor>& sources, int64_t first, int64_t count, void* out)>;

  std::vector<at::Tensor> sources;
  Make make;
};

/// A map [N, C, H, W] and, if known, its recomputation. Usable wherever a tensor is.
class LazyTensor {
 public:
  LazyTensor() = default;
  LazyTensor(at::Tensor values, std::optional<Recomputation> recomputation = std::nullopt)
      : values_(std::move(values)), recomputation_(std::move(recomputation)) {}

  /// A map that is computed only when its values are requested, because its readers compute each part on demand.
  /// placeholder: has the map's sizes, type and position in the graph, but other values.
  static LazyTensor deferred(at::Tensor placeholder, Recomputation recomputation);

  /// A map whose producer sums the gradients of two readers: fork shares the values' memory but has its own position
  /// in the graph.
  static LazyTensor with_fork(at::Tensor values, at::Tensor fork) {
    LazyTensor map(std::move(values));
    map.fork_ = std::move(fork);
    return map;
  }

  operator const at::Tensor&() const { return values(); }
  const at::Tensor& values() const;
  const std::optional<Recomputation>& recomputation() const { return recomputation_; }

  /// The map's tensor in the graph: its values, or their placeholder.
  const at::Tensor& variable() const { return values_.defined() ? values_ : placeholder_; }
  /// The map for a second reader; the values themselves if the producer does not distinguish readers.
  const at::Tensor& fork() const { return fork_.defined() ? fork_ : values(); }
  bool has_fork() const { return fork_.defined(); }
  bool is_made() const { return values_.defined() || !placeholder_.defined(); }

 private:
  at::Tensor placeholder_;
  mutable at::Tensor values_;
  at::Tensor fork_;
  std::optional<Recomputation> recomputation_;
};

/// A function's saved input: the map, or the sources of its recomputation.
class SavedActivation {
 public:
  /// map: [N, C, H, W], in channels-last order, or its placeholder.
  SavedActivation(const at::Tensor& map, const std::optional<Recomputation>& recomputation);

  /// Saves it together with the function's other tensors; one such map per function.
  void save(torch::autograd::AutogradContext* context, torch::autograd::variable_list others) const;
  /// Leaves the other tensors in `saved`.
  static SavedActivation restored(torch::autograd::AutogradContext* context, torch::autograd::variable_list& saved);

  /// Pixels first … first + count, counted over all images; recomputed in memory of `scratch` if they were not saved.
  const char* pixels(int64_t first, int64_t count, ScratchScope& scratch) const;

  /// Null if the map itself was saved as the only source.
  const Recomputation::Make& make() const { return make_; }
  const std::vector<at::Tensor>& sources() const { return sources_; }

  at::IntArrayRef sizes() const { return sizes_; }
  at::ScalarType type() const { return type_; }
  /// An empty map of this kind, in channels-last order.
  at::Tensor empty_like() const;

 private:
  SavedActivation(std::vector<at::Tensor> sources, Recomputation::Make make, std::vector<int64_t> sizes,
                  at::ScalarType type)
      : sources_(std::move(sources)), make_(std::move(make)), sizes_(std::move(sizes)), type_(type) {}

  std::vector<at::Tensor> sources_;
  Recomputation::Make make_;
  std::vector<int64_t> sizes_;
  at::ScalarType type_;
};

}  // namespace reviewkd::ops
