#pragma once
// Arguments and results of functions that take tensors in any arrangement: alone, in lists, in records, and mixed with
// plain values. Known as a pytree elsewhere.

#include <napi.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/models/state_dict.h"

namespace reviewkd::binding {

struct TensorTree {
  using List = std::vector<TensorTree>;
  using Record = std::vector<std::pair<std::string, TensorTree>>;

  std::variant<std::monostate, bool, double, std::string, at::Tensor, List, Record> content;

  TensorTree() = default;
  TensorTree(double number) : content(number) {}
  TensorTree(at::Tensor tensor) : content(std::move(tensor)) {}
  TensorTree(List list) : content(std::move(list)) {}
  TensorTree(Record record) : content(std::move(record)) {}
  TensorTree(const std::vector<at::Tensor>& tensors);
  TensorTree(const NamedTensors& tensors);

  /// The value of a field, or null if it is absent.
  const TensorTree* find(const std::string& field) const;
  bool has(const std::string& field) const { return find(field) != nullptr; }

  // Fields of a record. A field that is absent or something else is an INVALID_ARGUMENT that names it.
  const TensorTree& at(const std::string& field) const;
  const at::Tensor& tensor(const std::string& field) const;
  std::vector<at::Tensor> tensors(const std::string& field) const;
  NamedTensors state_dict(const std::string& field) const;
  const List& list(const std::string& field) const;
};

/// name: for messages.
TensorTree tensor_tree_of(const Napi::Value& value, const std::string& name);
Napi::Value to_js(Napi::Env env, const TensorTree& tree);

/// Replaces each tensor of floating point by a copy that requires a gradient, and returns those.
std::vector<at::Tensor> require_gradients(TensorTree& tree);

/// The tree's shape with each tensor of `require_gradients` replaced by the next gradient; zeros where one is undefined.
TensorTree with_tensors(const TensorTree& tree, const std::vector<at::Tensor>& gradients, size_t& next);

}  // namespace reviewkd::binding
