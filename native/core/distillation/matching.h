#pragma once
// Which stage of the student belongs to which of the teacher: the deepest that both have, one by one.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/models/backbone.h"

namespace reviewkd {

/// A stage of one network.
struct StageOf {
  std::string name;
  int64_t channels;
  /// Where the network's lists of stages have it.
  size_t index;
};

struct MatchedStage {
  StageOf student;
  StageOf teacher;
};

struct Matching {
  /// Shallow to deep. Their numbers, by which users and messages call them, count from 1.
  std::vector<MatchedStage> stages;
  /// In words which stages have no partner, where there are such.
  std::optional<std::string> note;

  int64_t size() const { return static_cast<int64_t>(stages.size()); }
  /// The stage of this number.
  const MatchedStage& stage(int64_t number) const { return stages.at(static_cast<size_t>(number - 1)); }
  /// Throws INVALID_ARGUMENT, listing the stages, unless there is a stage of this number; returns it. `option` is named.
  int64_t checked(int64_t number, const std::string& option) const;
  /// "1: layer1~block1, 2: layer2~block2".
  std::string listed() const;
};

Matching match_stages(const Network& student, const Network& teacher);

}  // namespace reviewkd
