#pragma once
// Files of weights as detectors read them: whose arithmetic they belong to, and which of their entries are loaded.

#include <optional>
#include <string>
#include <vector>

#include "core/models/detection/detector.h"
#include "core/models/detection/weights/detector_weights.h"

namespace reviewkd::detection {

/// Whose names a file has: torchvision's, those of its detectors until 0.12, or detectron2's (and Caffe2's).
enum class FileNames { kTorchvision, kTorchvisionOld, kDetectron2 };

/// A file by the names and shapes of its entries.
struct DetectorFile {
  FileNames names = FileNames::kTorchvision;
  /// nullopt for a network without heads, such as an ImageNet classifier.
  std::optional<DetectorKind> kind;
  std::optional<int64_t> num_classes;
  /// The map that RetinaNet's p6 is computed from; nullopt if it has none.
  std::optional<ExtraLevels> extra;
  /// nullopt without a pyramid.
  std::optional<int64_t> pyramid_channels;
};

DetectorFile describe_file(const EntryShapes& shapes);

/// The part of a detector that a file is loaded into.
enum class DetectorPart { kAll, kBody };

struct DetectorLoadReport : LoadReport {
  /// Entries of the file that have no place in the detector by design: counters of frozen norms, constants of
  /// detectron2, and all heads of a file that is loaded into the body alone.
  std::vector<std::string> unused;
};

/// Loads entries under any of the names that `to_detector_names` knows, or those of the package's classifiers. Counters
/// of norms that a file of frozen ones lacks keep their values. Strict and errors: as load_state_dict.
DetectorLoadReport load_file(const DetectorImpl& detector, const NamedTensors& file, DetectorPart part, bool strict);

}  // namespace reviewkd::detection
