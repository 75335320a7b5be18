#pragma once
// The targets of a batch, in the form that its task defines: tensors by name. A target has one row per image (a class,
// a vector), or any number of rows per image (boxes).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reviewkd {

struct Target {
  std::string name;
  at::Tensor values;  // [N, …]; ragged: [sum of counts, …]
  /// Rows of each image, if their number differs; empty if each image has one row.
  std::vector<int64_t> counts;
};

class Targets {
 public:
  /// The name of classification's target.
  static constexpr const char* kLabels = "labels";

  Targets() = default;

  /// The target of classification: the class of each image, [N], int64.
  static Targets labels(at::Tensor labels);

  /// Adds a target with one row per image.
  Targets& add(std::string name, at::Tensor values);
  /// Adds a target with `counts[i]` rows for image i. Throws SHAPE_MISMATCH unless the counts add up to the rows of
  /// `values`.
  Targets& add_ragged(std::string name, at::Tensor values, std::vector<int64_t> counts);

  /// Throws INVALID_ARGUMENT if there is no such target.
  const Target& target(const std::string& name) const;
  const at::Tensor& values(const std::string& name) const { return target(name).values; }
  bool has(const std::string& name) const;
  /// The labels of classification; undefined if there are none.
  at::Tensor labels() const;

  const std::vector<Target>& all() const { return targets_; }
  bool empty() const { return targets_.empty(); }
  /// Whether some target has a varying number of rows per image: a recorded step reads tensors of one size.
  bool is_ragged() const;

  /// The targets of `length` images from `begin` on.
  Targets narrow(int64_t begin, int64_t length) const;

  /// The same with each tensor replaced by `convert(values)`.
  template <typename Convert>
  Targets map(const Convert& convert) const {
    Targets result = *this;
    for (Target& target : result.targets_) target.values = convert(target.values);
    return result;
  }
  Targets to(c10::Device device) const {
    return map([&](const at::Tensor& values) { return values.to(device); });
  }

 private:
  std::vector<Target> targets_;
};

}  // namespace reviewkd
