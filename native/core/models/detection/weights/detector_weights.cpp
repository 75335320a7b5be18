#include "core/models/detection/weights/detector_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/base/name_pattern.h"
#include "core/models/detection/weights/detectron2_names.h"

namespace reviewkd {
namespace {

/// Patterns of core/base/name_pattern.h: names in a file, and in the package.
struct FileName {
  std::string_view file;
  std::string_view own;
};

/// The first parts of names of detectors, of their backbones and of ImageNet networks.
constexpr std::string_view kFirstParts[] = {
    "anchor_generator",
    "backbone",
    "bn1",
    "classifier",
    "conv1",
    "fc",
    "features",
    "head",
    "layer1",
    "layer2",
    "layer3",
    "layer4",
    "pixel_mean",
    "pixel_std",
    "proposal_generator",
    "res2",
    "res3",
    "res4",
    "res5",
    "roi_heads",
    "rpn",
    "stem",
};

constexpr FileName kOldNames[] = {
    {"backbone.fpn.inner_blocks.{l}.*", "backbone.fpn.inner_blocks.{l}.0.*"},
    {"backbone.fpn.layer_blocks.{l}.*", "backbone.fpn.layer_blocks.{l}.0.*"},
    {"rpn.head.conv.*", "rpn.head.conv.0.0.*"},
    {"roi_heads.mask_head.mask_fcn{i+1}.*", "roi_heads.mask_head.{i}.0.*"},
    {"head.classification_head.conv.{2i}.*", "head.classification_head.conv.{i}.0.*"},
    {"head.regression_head.conv.{2i}.*", "head.regression_head.conv.{i}.0.*"},
};

/// Names of torchvision's ImageNet networks continue behind `backbone.body.`.
constexpr FileName kTorchvisionBodies[] = {
    {"conv1.*", "backbone.body.conv1.*"},
    {"bn1.*", "backbone.body.bn1.*"},
    {"layer{k}.{i}.conv{j}.*", "backbone.body.layer{k}.{i}.conv{j}.*"},
    {"layer{k}.{i}.bn{j}.*", "backbone.body.layer{k}.{i}.bn{j}.*"},
    {"layer{k}.{i}.downsample.{j}.*", "backbone.body.layer{k}.{i}.downsample.{j}.*"},
    {"features.{n}.{j}.*", "backbone.body.{n}.{j}.*"},
    {"features.{n}.conv.{j}.*", "backbone.body.{n}.conv.{j}.*"},
    {"features.{n}.conv.{j}.{k}.*", "backbone.body.{n}.conv.{j}.{k}.*"},
};

/// The same of detectron2's own and ReviewKD's, behind `backbone.bottom_up.`.
constexpr FileName kDetectron2Bodies[] = {
    {"stem.conv1.*", "backbone.bottom_up.stem.conv1.*"},
    {"stem.conv1.norm.*", "backbone.bottom_up.stem.conv1.norm.*"},
    {"res{k}.{i}.conv{j}.*", "backbone.bottom_up.res{k}.{i}.conv{j}.*"},
    {"res{k}.{i}.conv{j}.norm.*", "backbone.bottom_up.res{k}.{i}.conv{j}.norm.*"},
    {"res{k}.{i}.shortcut.*", "backbone.bottom_up.res{k}.{i}.shortcut.*"},
    {"res{k}.{i}.shortcut.norm.*", "backbone.bottom_up.res{k}.{i}.shortcut.norm.*"},
    {"features.{n}.{j}.*", "backbone.bottom_up.features.{n}.{j}.*"},
    {"features.{n}.conv.{j}.*", "backbone.bottom_up.features.{n}.conv.{j}.*"},
};

/// Caffe2's layers, and the endings of their parameters.
constexpr FileName kCaffe2Layers[] = {
    {"conv1", "stem.conv1"},
    {"res_conv1", "stem.conv1"},
    {"res{k}_{i}_branch1", "res{k}.{i}.shortcut"},
    {"res{k}_{i}_branch2a", "res{k}.{i}.conv1"},
    {"res{k}_{i}_branch2b", "res{k}.{i}.conv2"},
    {"res{k}_{i}_branch2c", "res{k}.{i}.conv3"},
};
constexpr FileName kCaffe2Endings[] = {
    {"_w", ".weight"},
    {"_bn_s", ".norm.weight"},
    {"_bn_gamma", ".norm.weight"},
    {"_bn_b", ".norm.bias"},
    {"_bn_beta", ".norm.bias"},
    {"_bn_rm", ".norm.running_mean"},
    {"_bn_running_mean", ".norm.running_mean"},
    {"_bn_riv", ".norm.running_var"},
    {"_bn_running_var", ".norm.running_var"},
};

/// The last of MobileNetV2's `features` has 1280 channels and belongs to its classifier.
constexpr std::string_view kMobileNetV2Last = "features.18.{j}.*";
constexpr std::string_view kBody = "backbone.body.";
constexpr double kFrozenNormEps = 1e-5;

/// The last layers of heads, whose rows follow from the number of classes, and the channels that they read: as many as
/// the pyramid has, if 0.
struct LastLayer {
  std::string_view name;
  int64_t channels;
};
constexpr std::string_view kClassScores = "roi_heads.box_predictor.cls_score.weight";
constexpr std::string_view kMaskLogits = "roi_heads.mask_predictor.mask_fcn_logits.weight";
/// Class scores and box deltas of RetinaNet: torchvision's and detectron2's.
constexpr std::pair<std::string_view, std::string_view> kScoresAndBoxes[] = {
    {"head.classification_head.cls_logits.weight", "head.regression_head.bbox_reg.weight"},
    {"head.cls_score.weight", "head.bbox_pred.weight"},
};
constexpr LastLayer kLastLayers[] = {
    {kClassScores, 1024},          {kMaskLogits, 256},
    {kScoresAndBoxes[0].first, 0}, {kScoresAndBoxes[0].second, 0},
    {kScoresAndBoxes[1].first, 0}, {kScoresAndBoxes[1].second, 0},
};

/// Convolutions between two levels' worth of channels: torchvision's, until 0.12, and detectron2's.
constexpr std::string_view kLevelLayers[] = {"backbone.fpn.layer_blocks.{l}.0.weight",
                                             "backbone.fpn.layer_blocks.{l}.weight", "backbone.fpn_output{l}.weight"};

/// The beginning of a name before its first known part; nullopt without one.
std::optional<std::string_view> wrapper_in(std::string_view name) {
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (std::find(std::begin(kFirstParts), std::end(kFirstParts), part) != std::end(kFirstParts))
      return name.substr(0, begin);
    begin = end + 1;
  }
  return std::nullopt;
}

/// The most frequent ones. `entries`: pairs of a name and something else.
template <typename Entries>
std::vector<std::string> common_wrappers(const Entries& entries) {
  std::map<std::string_view, size_t> counts;
  for (const auto& [name, value] : entries) {
    if (const auto wrapper = wrapper_in(name)) ++counts[*wrapper];
  }
  size_t most = 0;
  for (const auto& [wrapper, count] : counts) most = std::max(most, count);
  std::vector<std::string> wrappers;
  for (const auto& [wrapper, count] : counts) {
    if (count == most) wrappers.emplace_back(wrapper);
  }
  return wrappers;
}

template <typename Entries>
std::string common_wrapper(const Entries& entries) {
  auto wrappers = common_wrappers(entries);
  return wrappers.empty() ? "" : std::move(wrappers.front());
}

template <typename Entries>
Entries behind_common_wrapper(const Entries& entries) {
  const auto wrappers = common_wrappers(entries);
  const size_t length = wrappers.empty() ? 0 : wrappers.front().size();
  Entries bare;
  for (const auto& [name, value] : entries) {
    if (name.size() > length && is_behind(name, wrappers)) bare.emplace_back(name.substr(length), value);
  }
  return bare;
}

std::string renamed(const std::string& name, std::span<const FileName> table) {
  for (const auto& [file, own] : table) {
    if (auto found = map_name(name, file, own)) return *found;
  }
  return name;
}

NamedTensors renamed(const NamedTensors& state, std::span<const FileName> table) {
  NamedTensors result;
  result.reserve(state.size());
  for (const auto& [name, tensor] : state) result.emplace_back(renamed(name, table), tensor);
  return result;
}

/// By detectron2's names without prefix.
std::string without_caffe2(const std::string& name) {
  for (const auto& layer : kCaffe2Layers) {
    for (const auto& ending : kCaffe2Endings) {
      const auto found =
          map_name(name, std::string(layer.file).append(ending.file), std::string(layer.own).append(ending.own));
      if (found) return *found;
    }
  }
  return name;
}

/// Whether a block's expansion lies directly in `conv`, not within a part of it.
bool has_flat_blocks(const NamedTensors& state) {
  return std::any_of(state.begin(), state.end(),
                     [](const auto& entry) { return map_name(entry.first, "features.{n}.conv.0.*", "").has_value(); });
}

std::string body_name(const std::string& name, bool has_flat_blocks) {
  if (map_name(name, kMobileNetV2Last, "")) return name;
  if (!has_flat_blocks) {
    const std::string own = renamed(name, kTorchvisionBodies);
    if (own != name) return own;
  }
  return renamed(without_caffe2(name), kDetectron2Bodies);
}

/// Adds the statistics of an identity to each norm of the body, whose weight alone has one dimension.
void add_identity_statistics(NamedTensors& state) {
  constexpr std::string_view kWeight = ".weight";
  std::unordered_set<std::string> names;
  for (const auto& [name, tensor] : state) names.insert(name);
  const size_t given = state.size();
  for (size_t i = 0; i < given; ++i) {
    const auto [name, weight] = state[i];  // copies, as the list grows
    if (!name.starts_with(kBody) || !name.ends_with(kWeight) || weight.dim() != 1) continue;
    const std::string norm = name.substr(0, name.size() - kWeight.size());
    if (!names.contains(norm + ".running_mean")) state.emplace_back(norm + ".running_mean", at::zeros_like(weight));
    if (!names.contains(norm + ".running_var"))
      state.emplace_back(norm + ".running_var", at::full_like(weight, 1 - kFrozenNormEps));
  }
}

}  // namespace

std::vector<std::string> wrappers_of(const EntryShapes& shapes) { return common_wrappers(shapes); }
std::string wrapper_of(const NamedTensors& state) { return common_wrapper(state); }

bool is_behind(std::string_view name, const std::vector<std::string>& wrappers) {
  if (wrappers.empty()) return true;
  if (!wrappers.front().empty()) return name.starts_with(wrappers.front());
  return std::none_of(wrappers.begin() + 1, wrappers.end(),
                      [&](const std::string& wrapper) { return name.starts_with(wrapper); });
}

NamedTensors without_wrapper(const NamedTensors& state) { return behind_common_wrapper(state); }
EntryShapes without_wrapper(const EntryShapes& shapes) { return behind_common_wrapper(shapes); }

NamedTensors from_torchvision_old(const NamedTensors& state) { return renamed(state, kOldNames); }

NamedTensors from_backbone(const NamedTensors& state) {
  const bool flat = has_flat_blocks(state);
  NamedTensors body;
  bool is_detectron2 = false;
  for (const auto& [name, tensor] : state) {
    body.emplace_back(body_name(name, flat), tensor);
    is_detectron2 =
        is_detectron2 || (body.back().first != name && body.back().first.starts_with("backbone.bottom_up."));
  }
  if (!is_detectron2) return body;
  // Of the body alone, whose names are those of every kind of detector.
  for (auto& [name, tensor] : body) name = body_from_detectron2(name).value_or(name);
  add_identity_statistics(body);
  return body;
}

bool has_detectron2_body(const NamedTensors& state) {
  constexpr std::string_view kResNets[] = {"backbone.bottom_up.stem.", "backbone.bottom_up.res"};
  return std::any_of(state.begin(), state.end(), [&](const auto& entry) {
    const std::string name = renamed(without_caffe2(entry.first), kDetectron2Bodies);
    return name != entry.first && std::any_of(std::begin(kResNets), std::end(kResNets),
                                              [&](std::string_view part) { return name.starts_with(part); });
  });
}

NamedTensors to_detector_names(const NamedTensors& state, DetectorKind kind, int64_t num_anchors) {
  const NamedTensors named = from_backbone(from_torchvision_old(without_wrapper(state)));
  return has_detectron2_names(named) ? from_detectron2(named, kind, num_anchors) : named;
}

std::optional<int64_t> infer_pyramid_channels(const EntryShapes& shapes) {
  for (const auto& [name, shape] : shapes) {
    const bool is_level = std::any_of(std::begin(kLevelLayers), std::end(kLevelLayers),
                                      [&, &name = name](auto layer) { return map_name(name, layer, "").has_value(); });
    if (is_level && shape.size() == 4 && shape[0] == shape[1]) return shape[0];
  }
  return std::nullopt;
}

std::optional<int64_t> infer_num_classes(const EntryShapes& shapes) {
  constexpr int64_t kBoxRows = 4;
  const int64_t levels = infer_pyramid_channels(shapes).value_or(kUsualPyramidChannels);
  std::unordered_map<std::string_view, int64_t> rows;
  for (const auto& [name, shape] : shapes) {
    const auto inputs = std::find_if(std::begin(kLastLayers), std::end(kLastLayers),
                                     [&, &name = name](const LastLayer& layer) { return layer.name == name; });
    const bool is_known = inputs != std::end(kLastLayers) && shape.size() > 1 &&
                          shape[1] == (inputs->channels == 0 ? levels : inputs->channels);
    if (is_known) rows.emplace(name, shape[0]);
  }
  const auto of = [&](std::string_view name) {
    const auto found = rows.find(name);
    return found == rows.end() ? 0 : found->second;
  };
  if (of(kClassScores) > 0) return of(kClassScores);
  if (of(kMaskLogits) > 0) return of(kMaskLogits);
  for (const auto& [scores, boxes] : kScoresAndBoxes) {
    const int64_t anchors = of(boxes) / kBoxRows;
    if (anchors > 0 && of(scores) > 0 && of(scores) % anchors == 0) return of(scores) / anchors;
  }
  return std::nullopt;
}

}  // namespace reviewkd
