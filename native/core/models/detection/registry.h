#pragma once
// Detectors by name: a kind, a backbone of the zoo and "fpn".

#include "core/models/detection/detector.h"

namespace reviewkd::detection {

/// "faster-rcnn-resnet18-fpn" and others; options: all switches, and numClasses. Throws UNKNOWN_NAME with the names that
/// there are, INVALID_ARGUMENT for a backbone without four stages.
Detector build_detector(const std::string& name, const Options& options);

/// The kind that a name begins with, and the backbone in it.
struct DetectorName {
  DetectorKind kind;
  std::string backbone;
};
DetectorName parse_detector_name(const std::string& name);

/// All kinds over all backbones of the zoo that suit.
std::vector<std::string> detector_names();

}  // namespace reviewkd::detection
