#include "core/data/targets.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/error.h"

namespace reviewkd {

Targets Targets::labels(at::Tensor labels) { return std::move(Targets().add(kLabels, std::move(labels))); }

Targets& Targets::add(std::string name, at::Tensor values) {
  targets_.push_back({std::move(name), std::move(values), {}});
  return *this;
}

Targets& Targets::add_ragged(std::string name, at::Tensor values, std::vector<int64_t> counts) {
  const int64_t rows = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (counts.empty() || values.dim() < 1 || values.size(0) != rows) {
    fail(ErrorCode::kShapeMismatch, "invalid target ", name, ": expected ", rows, " rows for ", counts.size(),
         " images, received ", values.sizes(), ". Give one count per image, and as many rows as the counts add up to.");
  }
  targets_.push_back({std::move(name), std::move(values), std::move(counts)});
  return *this;
}

const Target& Targets::target(const std::string& name) const {
  std::vector<std::string> names;
  for (const Target& target : targets_) {
    if (target.name == name) return target;
    names.push_back(target.name);
  }
  fail(ErrorCode::kInvalidArgument, "invalid targets of a batch: expected ", name, ", received ",
       names.empty() ? "none" : joined(names), ". Use a data set that has the targets of the task.");
}

bool Targets::has(const std::string& name) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const Target& target) { return target.name == name; });
}

at::Tensor Targets::labels() const {
  for (const Target& target : targets_) {
    if (target.name == kLabels) return target.values;
  }
  return {};
}

bool Targets::is_ragged() const {
  for (const Target& target : targets_) {
    if (!target.counts.empty()) return true;
  }
  return false;
}

Targets Targets::narrow(int64_t begin, int64_t length) const {
  Targets result;
  for (const Target& target : targets_) {
    if (target.counts.empty()) {
      result.add(target.name, target.values.narrow(0, begin, length));
      continue;
    }
    const auto first = target.counts.begin() + begin;
    const int64_t before = std::accumulate(target.counts.begin(), first, int64_t{0});
    const int64_t rows = std::accumulate(first, first + length, int64_t{0});
    result.add_ragged(target.name, target.values.narrow(0, before, rows), {first, first + length});
  }
  return result;
}

}  // namespace reviewkd
