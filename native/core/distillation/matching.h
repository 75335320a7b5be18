#pragma once
// Matches the stages of student and teacher: the deepest that both have, one by one; of detectors the levels of the same
// name in both pyramids.

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
  /// Its index in the network's list of stages.
  size_t index;
};

struct MatchedStage {
  StageOf student;
  StageOf teacher;
};

struct Matching {
  /// Shallow to deep. Users and messages number them from 1.
  std::vector<MatchedStage> stages;
  /// A description of the unmatched stages, if any.
  std::optional<std::string> note;

  int64_t size() const { return static_cast<int64_t>(stages.size()); }
  /// The stage with this number.
  const MatchedStage& stage(int64_t number) const { return stages.at(static_cast<size_t>(number - 1)); }
  /// Throws INVALID_ARGUMENT, listing the stages, unless a stage has this number; returns it. The message names
  /// `option`.
  int64_t checked(int64_t number, const std::string& option) const;
  /// "1: layer1~block1, 2: layer2~block2".
  std::string listed() const;
};

Matching match_stages(const Network& student, const Network& teacher);

}  // namespace reviewkd
