#include "core/models/detection/detector.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_set>

#include "core/base/error.h"
#include "core/models/backbones/registry.h"
#include "core/models/backbones/residual_blocks.h"
#include "core/models/detection/padded/padded_detections.h"
#include "core/models/freezable_batch_norm.h"
#include "core/models/init.h"
#include "core/ops/backend/graph/traced_operation.h"
#include "core/ops/boxes/boxes.h"

namespace reviewkd::detection {
namespace {

constexpr int kAllStages = 5;
constexpr size_t kStages = 4;
constexpr ImageSize kAnyImage{256, 256};

std::vector<int64_t> channels_of(const std::vector<FeatureSpec>& specs) {
  std::vector<int64_t> channels;
  channels.reserve(kStages);
  for (size_t i = 0; i < kStages; ++i) channels.push_back(specs.at(i).channels);
  return channels;
}

/// Stages that the pyramid of a detector starts from: R-CNNs use all four, RetinaNet leaves the first one out.
size_t first_stage(DetectorKind kind) { return kind == DetectorKind::kRetinaNet ? 1 : 0; }

/// Levels above that of the last stage.
size_t extra_level_count(DetectorKind kind) { return kind == DetectorKind::kRetinaNet ? 2 : 1; }

ExtraLevels extra_levels(DetectorKind kind, const Options& options) {
  if (kind != DetectorKind::kRetinaNet) return ExtraLevels::kPool;
  return options.choice<ExtraLevels>("p6Source", {{"p5", ExtraLevels::kFromP5}, {"c5", ExtraLevels::kFromC5}});
}

PyramidOptions pyramid_options(BackboneImpl& network, const DetectorOptions& options) {
  auto channels = channels_of(network.feature_specs(kAnyImage));
  channels.erase(channels.begin(), channels.begin() + static_cast<int64_t>(first_stage(options.kind)));
  return {channels, options.pyramid_channels, extra_levels(options.kind, options.switches)};
}

/// Throws INVALID_ARGUMENT unless each level has anchors, and all as many: the heads are shared by the levels.
void check_anchors(const AnchorOptions& anchors, const std::vector<FeatureSpec>& levels) {
  std::vector<std::string> names;
  names.reserve(levels.size());
  for (const FeatureSpec& level : levels) names.push_back(level.name);
  if (anchors.sizes.size() != levels.size()) {
    fail(ErrorCode::kInvalidArgument, "invalid anchorSizes: expected a list for each of the ", levels.size(),
         " levels ", joined(names), ", received ", anchors.sizes.size(),
         ". Pass the sides of the anchors by level, shallow to deep.");
  }
  for (size_t i = 0; i < levels.size(); ++i) {
    if (anchors.sizes[i].size() == anchors.sizes[0].size()) continue;
    fail(ErrorCode::kInvalidArgument, "invalid anchorSizes: expected as many sides for ", names[i], " as for ",
         names[0], ", ", anchors.sizes[0].size(), ", received ", anchors.sizes[i].size(),
         ". The heads are shared by the levels: pass as many for each.");
  }
}

Backbone build_network(const DetectorOptions& options) {
  constexpr int64_t kUnusedClasses = 1;
  return find_model(options.backbone).build(kUnusedClasses);
}

}  // namespace

Detections Detections::at(const at::Tensor& rows) const {
  const auto select = [&](const at::Tensor& values) {
    return values.defined() ? values.index_select(0, rows) : at::Tensor();
  };
  return {select(boxes), select(scores), select(labels), select(masks)};
}

DetectorOptions DetectorOptions::from(DetectorKind kind, const std::string& backbone, const Options& options) {
  return {
      .kind = kind,
      .backbone = backbone,
      .num_classes = options.integer("numClasses"),
      .input = InputOptions::from(options),
      .anchors = AnchorOptions::from(options),
      .frozen_norms = options.choice<bool>("norm", {{"frozen", true}, {"batch", false}}),
      .norm_epsilon = options.number("normEps"),
      .stride_in_1x1 = options.choice<bool>("bottleneckStride", {{"3x3", false}, {"1x1", true}}),
      .trainable_layers = static_cast<int>(options.integer("trainableLayers")),
      .pyramid_channels = options.integer("pyramidChannels"),
      .initialization = options.choice<HeadInitialization>(
          "initialization",
          {{"torchvision", HeadInitialization::kTorchvision}, {"detectron2", HeadInitialization::kDetectron2}}),
      .mask_paste = options.choice<ops::MaskPaste>(
          "maskPaste", {{"torchvision", ops::MaskPaste::kTorchvision}, {"detectron2", ops::MaskPaste::kDetectron2}}),
      .switches = options,
  };
}

std::vector<std::string> level_names(DetectorKind kind) {
  constexpr size_t kFirstStage = 2;  // of stride 2²
  const size_t first = kFirstStage + first_stage(kind), end = kFirstStage + kStages + extra_level_count(kind);
  std::vector<std::string> names;
  for (size_t level = first; level < end; ++level) names.push_back("p" + std::to_string(level));
  return names;
}

PyramidBackboneImpl::PyramidBackboneImpl(Backbone network, const PyramidOptions& pyramid)
    : network_(std::move(network)), fpn(pyramid) {
  const auto body = register_module("body", std::make_shared<torch::nn::Module>());
  for (const auto& part : network_->trunk().parts) body->register_module(part.name, part.module);
  register_module("fpn", fpn);
}

std::vector<at::Tensor> PyramidBackboneImpl::forward(const at::Tensor& images) {
  auto stages = network_->forward_activated_stages(images);
  stages.erase(stages.begin(), stages.end() - static_cast<std::ptrdiff_t>(fpn->stages()));
  return fpn(stages);
}

DetectorImpl::DetectorImpl(const DetectorOptions& options)
    : options_(options), input_(options.input), backbone(nullptr) {
  const Backbone network = build_network(options);
  backbone = register_module("backbone", PyramidBackbone(network, pyramid_options(*network, options)));
  check_anchors(options.anchors, feature_specs(kAnyImage));
}

void DetectorImpl::freeze_parts() {
  if (options_.stride_in_1x1) {
    for (const auto& module : backbone->modules()) {
      if (auto* block = module->as<BottleneckImpl>()) block->stride_in_1x1();
    }
  }
  if (options_.frozen_norms) freeze_norms(*backbone, options_.norm_epsilon);
  require_gradients(true);
}

BackboneOutput DetectorImpl::forward(const at::Tensor& images) {
  BackboneOutput output;
  for (const at::Tensor& level : backbone->forward(images)) output.features.push_back({level, level});
  return output;
}

std::vector<FeatureSpec> DetectorImpl::feature_specs(ImageSize image) const {
  const auto specs = backbone->network().feature_specs(image);
  const size_t first = first_stage(options_.kind);
  std::vector<ImageSize> stages;
  for (size_t i = first; i < kStages; ++i) stages.push_back({specs[i].height, specs[i].width});
  const auto names = level_names(options_.kind);
  std::vector<FeatureSpec> levels;
  for (const ImageSize& size : pyramid_sizes(stages, extra_levels(options_.kind, options_.switches)))
    levels.push_back({names.at(levels.size()), options_.pyramid_channels, size.height, size.width});
  return levels;
}

void DetectorImpl::initialize(at::Generator generator) {
  backbone->network().initialize(generator);
  backbone->pyramid()->initialize(generator);
  initialize_heads(generator);
}

std::vector<at::Tensor> DetectorImpl::trainable_parameters() const {
  if (options_.trainable_layers >= kAllStages) return parameters();
  std::unordered_set<const void*> fixed;
  for (const auto& part : backbone->network().trunk().parts) {
    if (part.stage >= kAllStages - options_.trainable_layers) continue;
    for (const auto& parameter : part.module->parameters()) fixed.insert(parameter.unsafeGetTensorImpl());
  }
  std::vector<at::Tensor> trained;
  for (const auto& parameter : parameters()) {
    if (!fixed.contains(parameter.unsafeGetTensorImpl())) trained.push_back(parameter);
  }
  return trained;
}

Detections DetectorImpl::in_original_image(Detections image, ImageSize resized, ImageSize original,
                                           std::optional<double> mask_threshold) const {
  image.boxes = ops::resize_boxes(image.boxes, resized, original);
  if (options_.switches.boolean("clipDetections")) {
    image.boxes =
        ops::clip_boxes(image.boxes, static_cast<double>(original.height), static_cast<double>(original.width));
    const at::Tensor sides = image.boxes.slice(1, 2) - image.boxes.slice(1, 0, 2);
    image = image.at(at::nonzero(sides.gt(0).all(1)).squeeze(1));
  }
  if (!image.masks.defined()) return image;
  image.masks = mask_threshold
                    ? ops::paste_masks_binary(image.masks, image.boxes, original.height, original.width,
                                              options_.mask_paste, *mask_threshold)
                    : ops::paste_masks(image.masks, image.boxes, original.height, original.width, options_.mask_paste);
  return image;
}

PaddedDetections DetectorImpl::detect_in_place(const at::Tensor& images) {
  const ImageSize size{images.size(2), images.size(3)};
  const at::Tensor padded = input_.normalized_and_padded(images);
  // The batch stands for sizes alone.
  const ImageBatch batch(padded, std::vector(static_cast<size_t>(images.size(0)), size));
  const PaddedDetections found = detect_padded(levels_of(forward(padded)), batch);
  return options_.switches.boolean("clipDetections") ? clipped(found, size) : found;
}

at::Tensor DetectorImpl::region_logits(const std::vector<at::Tensor>&, const ImageBatch&,
                                       const std::vector<at::Tensor>&) {
  fail(ErrorCode::kInvalidArgument,
       "invalid detector: expected one that classifies regions (faster-rcnn, mask-rcnn), received another.");
}

AnchorGrid DetectorImpl::anchors_for(const std::vector<at::Tensor>& levels, const ImageBatch& batch) const {
  std::vector<ImageSize> maps;
  maps.reserve(levels.size());
  for (const at::Tensor& level : levels) maps.push_back({level.size(2), level.size(3)});
  const ops::ConstantScope constant;
  return anchor_grid(options_.anchors, batch.padded_size(), maps, batch.pixels.options());
}

}  // namespace reviewkd::detection

namespace reviewkd {

detection::DetectorImpl& detector_of(const BackboneImpl& network) {
  auto* detector = dynamic_cast<detection::DetectorImpl*>(const_cast<BackboneImpl*>(&network));
  if (detector == nullptr)
    fail(ErrorCode::kInvalidArgument,
         "invalid network: expected a detector, received a classifier. Create it with createDetector.");
  return *detector;
}

std::vector<at::Tensor> levels_of(const BackboneOutput& output) {
  std::vector<at::Tensor> levels;
  levels.reserve(output.features.size());
  for (const StageFeature& level : output.features) levels.push_back(level.after);
  return levels;
}

}  // namespace reviewkd
