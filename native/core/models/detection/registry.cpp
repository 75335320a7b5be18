#include "core/models/detection/registry.h"

#include <array>

#include "core/base/error.h"
#include "core/models/backbones/registry.h"
#include "core/models/detection/retinanet.h"
#include "core/models/detection/two_stage_detector.h"

namespace reviewkd::detection {
namespace {

struct KindRow {
  const char* prefix;
  DetectorKind kind;
};

constexpr std::array<KindRow, 3> kKinds = {{
    {"faster-rcnn-", DetectorKind::kFasterRcnn},
    {"mask-rcnn-", DetectorKind::kMaskRcnn},
    {"retinanet-", DetectorKind::kRetinaNet},
}};
constexpr const char* kSuffix = "-fpn";

bool has_stages(const ModelEntry& entry) {
  constexpr int64_t kSide = 256;
  const auto specs = entry.build(1)->feature_specs({kSide, kSide});
  size_t stages = 0;
  for (const int64_t stride : {4, 8, 16, 32}) {
    if (stages < specs.size() && specs[stages].height * stride == kSide) ++stages;
  }
  return stages == 4;
}

/// The networks of the zoo whose first four stages have the strides 4, 8, 16 and 32.
const std::vector<std::string>& backbone_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const ModelEntry& entry : model_registry()) {
      if (has_stages(entry)) found.push_back(entry.name);
    }
    return found;
  }();
  return names;
}

}  // namespace

std::vector<std::string> detector_names() {
  std::vector<std::string> names;
  for (const auto& [prefix, kind] : kKinds) {
    for (const std::string& backbone : backbone_names()) names.push_back(prefix + backbone + kSuffix);
  }
  return names;
}

DetectorName parse_detector_name(const std::string& name) {
  for (const auto& [prefix, kind] : kKinds) {
    if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) continue;
    const size_t begin = std::string(prefix).size();
    const size_t end = name.size() - std::string(kSuffix).size();
    for (const std::string& backbone : backbone_names()) {
      if (end > begin && name.substr(begin, end - begin) == backbone) return {kind, backbone};
    }
  }
  throw Error(ErrorCode::kUnknownName,
              "invalid detector name: expected faster-rcnn-BACKBONE-fpn, mask-rcnn-BACKBONE-fpn or "
              "retinanet-BACKBONE-fpn, received \"" +
                  name + "\".",
              detector_names());
}

Detector build_detector(const std::string& name, const Options& options) {
  const auto [kind, backbone] = parse_detector_name(name);
  const DetectorOptions detector = DetectorOptions::from(kind, backbone, options);
  if (kind == DetectorKind::kRetinaNet) return std::make_shared<RetinaNetImpl>(detector);
  return std::make_shared<TwoStageDetectorImpl>(detector);
}

}  // namespace reviewkd::detection
