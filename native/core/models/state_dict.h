#pragma once
// Parameters and buffers by their published names, in PyTorch's order.

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

namespace reviewkd {

/// Names and tensors in order. Tensors share memory with the module.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Everything that a module keeps: of each submodule its parameters, then its buffers, then its children.
NamedTensors state_dict(const torch::nn::Module& module, const std::string& prefix = "");

/// A copy that shares no memory with the module, on the CPU and row by row.
NamedTensors detached_copy(const NamedTensors& state);

/// Where tensors lie and how often they were changed: whether what was made of them still holds.
using StateVersion = std::vector<std::pair<const void*, uint32_t>>;
StateVersion version_of(const NamedTensors& state);

/// An entry whose shapes differ.
struct ShapeMismatch {
  std::string name;
  std::vector<int64_t> expected;
  std::vector<int64_t> got;
};

struct LoadReport {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<ShapeMismatch> mismatched;
};

/// Copies `source` into `target` by name, converting types. Strict: every name must be found on both sides and with the same
/// shape; else STATE_DICT_MISMATCH, naming the first differences, before anything is changed. Not strict: what fits is copied.
LoadReport load_state_dict(const NamedTensors& target, const NamedTensors& source, bool strict);

}  // namespace reviewkd
