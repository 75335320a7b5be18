#include "core/models/detection/detector_file.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "core/models/detection/weights/detectron2_names.h"

namespace reviewkd::detection {
namespace {

constexpr std::string_view kBodyPrefix = "backbone.body.";

/// Beginnings of names that only one kind of detector has.
struct KindOfName {
  std::string_view beginning;
  DetectorKind kind;
};
constexpr KindOfName kKindsOfNames[] = {
    {"roi_heads.mask_", DetectorKind::kMaskRcnn},
    {"roi_heads.box_", DetectorKind::kFasterRcnn},
    {"head.classification_head.", DetectorKind::kRetinaNet},
    {"head.cls_subnet.", DetectorKind::kRetinaNet},
};

std::optional<DetectorKind> kind_of(const EntryShapes& shapes) {
  for (const auto& [beginning, kind] : kKindsOfNames) {
    const bool is_there = std::any_of(shapes.begin(), shapes.end(), [&, beginning = beginning](const auto& entry) {
      return entry.first.starts_with(beginning);
    });
    if (is_there) return kind;
  }
  return std::nullopt;
}

FileNames names_of(const EntryShapes& shapes) {
  NamedTensors state;
  for (const auto& [name, shape] : shapes) state.emplace_back(name, at::Tensor());
  // First, because detectron2 still has some names of the old ones.
  const NamedTensors current = from_torchvision_old(state);
  if (has_detectron2_names(current)) return FileNames::kDetectron2;
  const bool is_old = !std::equal(state.begin(), state.end(), current.begin(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; });
  if (is_old) return FileNames::kTorchvisionOld;
  return has_detectron2_body(state) ? FileNames::kDetectron2 : FileNames::kTorchvision;
}

std::optional<ExtraLevels> extra_of(const EntryShapes& shapes) {
  for (const auto& [name, shape] : shapes) {
    if (name != "backbone.fpn.extra_blocks.p6.weight" && name != "backbone.top_block.p6.weight") continue;
    if (shape.size() > 1)
      return shape[1] == infer_pyramid_channels(shapes).value_or(kUsualPyramidChannels) ? ExtraLevels::kFromP5
                                                                                        : ExtraLevels::kFromC5;
  }
  return std::nullopt;
}

/// Names of the body in files of the package's classifiers: as they are, or behind the module that holds the parts.
std::string placed(const std::string& name, const std::unordered_set<std::string>& wanted) {
  if (wanted.contains(name)) return name;
  const size_t part = name.find('.') + 1;
  for (const size_t begin : {size_t{0}, part}) {
    const std::string own = std::string(kBodyPrefix) + name.substr(begin);
    if (wanted.contains(own)) return own;
  }
  return name;
}

std::unordered_set<std::string> names_in(const NamedTensors& state) {
  std::unordered_set<std::string> names;
  for (const auto& [name, tensor] : state) names.insert(name);
  return names;
}

/// Removes and returns entries by their names.
template <typename Leaves>
std::vector<std::string> leave_out(NamedTensors& state, const Leaves& leaves) {
  std::vector<std::string> names;
  std::erase_if(state, [&](const auto& entry) {
    if (!leaves(entry.first)) return false;
    names.push_back(entry.first);
    return true;
  });
  return names;
}

}  // namespace

DetectorFile describe_file(const EntryShapes& stored) {
  const EntryShapes shapes = without_wrapper(stored);
  return {names_of(shapes), kind_of(shapes), infer_num_classes(shapes), extra_of(shapes),
          infer_pyramid_channels(shapes)};
}

DetectorLoadReport load_file(const DetectorImpl& detector, const NamedTensors& stored, DetectorPart part, bool strict) {
  const DetectorOptions& options = detector.options();
  NamedTensors target = state_dict(detector);
  if (part == DetectorPart::kBody) leave_out(target, [](const auto& name) { return !name.starts_with(kBodyPrefix); });
  const auto wanted = names_in(target);

  const std::string wrapper = wrapper_of(stored);
  const NamedTensors file = without_wrapper(stored);
  NamedTensors source = to_detector_names(file, options.kind, options.anchors.per_position());
  for (auto& [name, tensor] : source) name = placed(name, wanted);
  const auto given = names_in(source);

  DetectorLoadReport report;
  report.unused = leave_out(source, [&](const auto& name) {
    return !wanted.contains(name) && (part == DetectorPart::kBody || is_norm_counter(name));
  });
  for (const auto& [name, tensor] : file) {
    if (is_detectron2_constant(name) && !given.contains(name)) report.unused.push_back(name);
  }
  leave_out(target, [&](const auto& name) { return is_norm_counter(name) && !given.contains(name); });
  static_cast<LoadReport&>(report) = load_state_dict(target, source, strict);
  if (!wrapper.empty()) report.prefixes.push_back(wrapper);
  for (const auto& [name, tensor] : stored) {
    if (!name.starts_with(wrapper)) report.left_aside.push_back(name);
  }
  return report;
}

}  // namespace reviewkd::detection
