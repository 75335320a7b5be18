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

/// A network's name and its stages.
struct Stages {
  const std::string& network;
  const std::vector<FeatureSpec>& specs;
};

std::string joined_names(const std::vector<FeatureSpec>& specs) {
  std::vector<std::string> names;
  names.reserve(specs.size());
  for (const auto& spec : specs) names.push_back(spec.name);
  return joined(names);
}

/// Networks for classification: the deepest stages that both have, one by one.
std::vector<MatchedStage> deepest_stages(const std::vector<FeatureSpec>& student,
                                         const std::vector<FeatureSpec>& teacher) {
  const size_t common = std::min(student.size(), teacher.size());
  std::vector<MatchedStage> stages;
  for (size_t i = student.size() - common, j = teacher.size() - common; i < student.size(); ++i, ++j) {
    stages.push_back({{student[i].name, student[i].channels, i}, {teacher[j].name, teacher[j].channels, j}});
  }
  return stages;
}

/// Levels of pyramids: those with the same name, which have the same stride.
std::vector<MatchedStage> stages_by_name(const std::vector<FeatureSpec>& student,
                                         const std::vector<FeatureSpec>& teacher) {
  std::vector<MatchedStage> stages;
  for (size_t i = 0; i < student.size(); ++i) {
    for (size_t j = 0; j < teacher.size(); ++j) {
      if (student[i].name != teacher[j].name) continue;
      stages.push_back({{student[i].name, student[i].channels, i}, {teacher[j].name, teacher[j].channels, j}});
    }
  }
  return stages;
}

std::optional<std::string> note_on_depth(const Matching& matching, const Stages& student, const Stages& teacher) {
  if (student.specs.size() == teacher.specs.size()) return std::nullopt;
  std::ostringstream note;
  note << student.network << " has " << student.specs.size() << " stages, " << teacher.network << " has "
       << teacher.specs.size() << ": the deepest " << matching.size() << " are matched, "
       << joined_names(matching.stages);
  return note.str();
}

/// The levels that are not among those of the same name in both.
std::vector<FeatureSpec> unmatched(const std::vector<FeatureSpec>& specs, const std::vector<MatchedStage>& matched) {
  std::vector<FeatureSpec> rest;
  for (const auto& spec : specs) {
    const bool is_matched = std::any_of(matched.begin(), matched.end(),
                                        [&](const MatchedStage& stage) { return stage.student.name == spec.name; });
    if (!is_matched) rest.push_back(spec);
  }
  return rest;
}

std::optional<std::string> note_on_levels(const Matching& matching, const Stages& student, const Stages& teacher) {
  std::vector<std::string> parts;
  for (const Stages& stages : {student, teacher}) {
    const auto rest = unmatched(stages.specs, matching.stages);
    if (!rest.empty()) parts.push_back(joined_names(rest) + " of " + stages.network);
  }
  if (parts.empty()) return std::nullopt;
  return "levels of one pyramid alone are not compared: " + joined(parts);
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
  const bool by_name = !student.module->is_classifier() && !teacher.module->is_classifier();
  Matching matching{by_name ? stages_by_name(of_student, of_teacher) : deepest_stages(of_student, of_teacher), {}};
  if (matching.stages.empty()) {
    fail(ErrorCode::kInvalidArgument, "invalid networks: expected a stage that both have, received ",
         joined_names(of_student), " of ", student.name, " and ", joined_names(of_teacher), " of ", teacher.name, ".");
  }
  matching.note = by_name ? note_on_levels(matching, {student.name, of_student}, {teacher.name, of_teacher})
                          : note_on_depth(matching, {student.name, of_student}, {teacher.name, of_teacher});
  return matching;
}

}  // namespace reviewkd
