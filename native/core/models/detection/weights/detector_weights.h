#pragma once
// The names that weights of detectors and of their backbones have in files of torchvision, detectron2 and Caffe2,
// recognized and converted to those of the package, which are torchvision's.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/models/detection/weights/detector_kind.h"
#include "core/models/state_dict.h"

namespace reviewkd {

/// The beginnings that most names have before a part of a detector or of its backbone, such as "module." or
/// "model.detector."; several if as many have each, and none if there are no such parts.
std::vector<std::string> wrappers_of(const EntryShapes& shapes);

/// Whether an entry is one behind the first of these beginnings. If that is empty, those behind others are copies.
bool is_behind(std::string_view name, const std::vector<std::string>& wrappers);

/// The first of them; empty if there is none.
std::string wrapper_of(const NamedTensors& state);

/// The entries behind that prefix, without it.
NamedTensors without_wrapper(const NamedTensors& state);
EntryShapes without_wrapper(const EntryShapes& shapes);

/// Renames what torchvision's detectors were called in files of 2019 (fasterrcnn_resnet50_fpn_coco and others), as
/// `_load_from_state_dict` of its rpn.py, retinanet.py, mask_rcnn.py and feature_pyramid_network.py does. Newer names
/// are kept.
NamedTensors from_torchvision_old(const NamedTensors& state);

/// Renames the entries of an ImageNet network to `backbone.body.*` and keeps all others:
/// - torchvision's ResNets (`conv1.weight`, `layer1.0.…`) and MobileNetV2 (`features.0.…` to `features.17.…`, whose last
///   convolution a detector leaves out), also in the layout of the original MobileNetV2, which ReviewKD continues;
/// - detectron2's R-50.pkl and R-101.pkl (`stem.conv1.weight`, `res2.0.conv1.weight`);
/// - Caffe2's (`conv1_w`, `res2_0_branch2a_w`, `res_conv1_bn_s`), by detectron2's checkpoint/c2_model_loading.py.
/// The last two may have folded their running statistics into weight and bias: these are added as those of a norm that
/// changes nothing, mean 0 and variance 1 - 1e-5, as detectron2's FrozenBatchNorm2d has them.
NamedTensors from_backbone(const NamedTensors& state);

/// Whether a backbone has names of detectron2 or Caffe2 without a prefix. Those of MobileNetV2 are PyTorch's.
bool has_detectron2_body(const NamedTensors& state);

/// All of the above, and `from_detectron2` where it applies: entries of a file by the detector's names. Names that no
/// rule knows are kept, for the report of loading to list. Throws STATE_DICT_MISMATCH.
NamedTensors to_detector_names(const NamedTensors& state, DetectorKind kind, int64_t num_anchors);

constexpr int64_t kUsualPyramidChannels = 256;

/// The channels of a pyramid's levels under any of these names; nullopt without a pyramid.
std::optional<int64_t> infer_pyramid_channels(const EntryShapes& shapes);

/// The number of classes of a detector by torchvision's names or detectron2's, as the package counts them: of an R-CNN
/// with the background, of a RetinaNet without. nullopt if no head is there, or one that is not the package's, so that a
/// small file cannot require a large network.
std::optional<int64_t> infer_num_classes(const EntryShapes& shapes);

}  // namespace reviewkd
