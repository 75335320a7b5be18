#include "core/distillation/matching.h"

#include <algorithm>
#include <sstream>

#include "core/base/error.h"

namespace reviewkd {
namespace {

/// Names and channels do not depend on the image size; every network accepts this one.
constexpr ImageSize kAnySize{224, 224};

/// "a~b, c~d".
std::string joined_names(const std::vector<MatchedStage>& stages) {
  std::vector<std::string> pairs;
  pairs.reserve(stages.size());
  for (const auto& stage : stages) pairs.push_back(stage.student.name + "~" + stage.teacher.name);
  return joined(pairs);
}

}  // namespace

int64_t Matching::checked(int64_t number, const std::string& option) const {
  if (number >= 1 && number <= size()) return number;
  fail(ErrorCode::kInvalidArgument, "invalid ", option, ": expected 1 to ", size(), ", received ", number,
       ". The matched stages are ", listed(), ".");
}

std::string Matching::listed() const {
  std::vector<std::string> lines;
  lines.reserve(stages.size());
  for (const auto& stage : stages) {
    lines.push_back(std::to_string(lines.size() + 1) + ": " + stage.student.name + "~" + stage.teacher.name);
  }
  return joined(lines);
}

Matching match_stages(const Network& student, const Network& teacher) {
  const auto of_student = student.module->feature_specs(kAnySize);
  const auto of_teacher = teacher.module->feature_specs(kAnySize);
  const size_t common = std::min(of_student.size(), of_teacher.size());
  if (common == 0)
    fail(ErrorCode::kInvalidArgument, "invalid networks: expected at least one stage in both, received none.");

  Matching matching;
  for (size_t i = of_student.size() - common, j = of_teacher.size() - common; i < of_student.size(); ++i, ++j) {
    matching.stages.push_back(
        {{of_student[i].name, of_student[i].channels, i}, {of_teacher[j].name, of_teacher[j].channels, j}});
  }
  if (of_student.size() != of_teacher.size()) {
    std::ostringstream note;
    note << student.name << " has " << of_student.size() << " stages, " << teacher.name << " has " << of_teacher.size()
         << ": the deepest " << common << " are matched, " << joined_names(matching.stages);
    matching.note = note.str();
  }
  return matching;
}

}  // namespace reviewkd
