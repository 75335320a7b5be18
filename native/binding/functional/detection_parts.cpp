// The rows of the inner parts of detectors.

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>

#include <map>

#include "binding/functional/function_table.h"
#include "core/base/error.h"
#include "core/models/detection/boxes/anchors.h"
#include "core/models/detection/boxes/box_weights.h"
#include "core/models/detection/detector.h"
#include "core/models/detection/heads/retinanet_head.h"
#include "core/models/detection/heads/roi_heads.h"
#include "core/models/detection/heads/rpn.h"

namespace reviewkd::binding {

namespace detection_parts {
namespace {

using namespace detection;  // NOLINT(google-build-using-namespace): each function is one of its parts

std::vector<ImageTargets> targets_of(const TensorTree& inputs) {
  std::vector<ImageTargets> targets;
  for (const TensorTree& entry : inputs.list("targets")) {
    ImageTargets& image = targets.emplace_back();
    image.boxes = entry.tensor("boxes");
    image.labels = entry.has("labels") ? entry.tensor("labels") : at::zeros({image.boxes.size(0)}, at::kLong);
  }
  return targets;
}

std::vector<ImageSize> sizes_of_maps(const std::vector<at::Tensor>& maps) {
  std::vector<ImageSize> sizes;
  sizes.reserve(maps.size());
  for (const at::Tensor& map : maps) sizes.push_back({map.size(2), map.size(3)});
  return sizes;
}

TensorTree to_tree(const std::vector<Detections>& found) {
  TensorTree::List images;
  for (const Detections& image : found) {
    TensorTree::Record record = {{"boxes", image.boxes}, {"scores", image.scores}, {"labels", image.labels}};
    if (image.masks.defined()) record.emplace_back("masks", image.masks);
    images.push_back(std::move(record));
  }
  return images;
}

/// Makes the convolutions below the module compute with the tensors of a state dict themselves, whose gradients are
/// wanted. Throws STATE_DICT_MISMATCH.
void bind_state(torch::nn::Module& module, const NamedTensors& state) {
  load_state_dict(state_dict(module), detached_copy(state), /*strict=*/true);
  const std::map<std::string, at::Tensor> values(state.begin(), state.end());
  for (const auto& item : module.named_modules()) {
    auto* layer = item.value()->as<torch::nn::Conv2dImpl>();
    if (layer == nullptr) continue;
    layer->weight = values.at(item.key() + ".weight");
    layer->bias = values.at(item.key() + ".bias");
  }
}

FunctionOutput cell_anchors_of(const TensorTree&, const Options& options) {
  return {TensorTree(cell_anchors(AnchorOptions::from(options), at::kDouble)), {}};
}

FunctionOutput anchors_of(const TensorTree&, const Options& options) {
  const AnchorGrid grid = anchor_grid(AnchorOptions::from(options), size_from(options, "paddedImage"),
                                      sizes_from(options, "maps"), at::kDouble);
  TensorTree::List strides;
  for (const ImageSize& stride : grid.strides) strides.push_back(binding::to_tree(stride));
  return {TensorTree::Record{{"levels", grid.levels}, {"strides", std::move(strides)}}, {}};
}

FunctionOutput assign_levels_of(const TensorTree& inputs, const Options& options) {
  return {assign_levels(inputs.tensor("boxes"), options.integer("minLevel"), options.integer("maxLevel"),
                        LevelOptions::from(options)),
          {}};
}

FunctionOutput multiscale_roi_align_of(const TensorTree& inputs, const Options& options) {
  const auto maps = inputs.tensors("maps");
  const ImageSize size = size_from(options, "outputSize");
  const RoiPoolingOptions pooling{.height = size.height,
                                  .width = size.width,
                                  .sampling_ratio = options.integer("samplingRatio"),
                                  .aligned = options.boolean("aligned"),
                                  .levels = LevelOptions::from(options)};
  return multiscale_roi_align(maps, detection::regions_of(inputs.tensors("rois")),
                              map_scales(maps, sizes_from(options, "imageSizes")), pooling);
}

FunctionOutput sample_of(const TensorTree& inputs, const Options& options) {
  const Sample found =
      sample(inputs.tensor("labels"), {options.integer("batchSizePerImage"), options.number("positiveFraction")},
             static_cast<uint64_t>(options.integer("seed")));
  return {TensorTree::Record{{"positive", found.positive}, {"negative", found.negative}}, {}};
}

FunctionOutput region_proposals_of(const TensorTree& inputs, const Options& options) {
  const auto maps = inputs.tensors("maps");
  const bool training = options.string("mode") == "train";
  const AnchorOptions anchors = AnchorOptions::from(options);
  RpnHead head(maps.front().size(1), anchors.per_position());
  bind_state(*head, inputs.state_dict("state"));
  const AnchorGrid grid = anchor_grid(anchors, size_from(options, "paddedImage"), sizes_of_maps(maps),
                                      maps.front().options().requires_grad(false));
  const RpnOptions rpn = RpnOptions::from(options, training);
  const auto sizes = sizes_from(options, "imageSizes");
  if (!training) return {TensorTree::Record{{"proposals", propose(head(maps), grid, sizes, rpn)}}, {}};
  const RpnSample sample = sample_anchors(grid, targets_of(inputs), rpn, /*seed=*/0);
  const RpnTrainingOutput output = head->forward_for_training(maps, sample);
  const RpnLosses losses = rpn_losses(output.sampled, sample, rpn);
  TensorTree::Record record = {{"proposals", propose(output.all, grid, sizes, rpn)}};
  record.emplace_back("losses", TensorTree::Record{{"objectness", number_of(losses.objectness)},
                                                   {"rpnBoxReg", number_of(losses.box_regression)}});
  record.emplace_back("labels", sample.all_labels);
  return {std::move(record), losses.objectness + losses.box_regression};
}

FunctionOutput roi_losses_of(const TensorTree& inputs, const Options& options) {
  const RoiLosses losses = roi_losses(inputs.tensor("logits"), inputs.tensor("deltas"), inputs.tensor("labels"),
                                      inputs.tensor("targets"), options.number("smoothL1Beta"));
  return {TensorTree::Record{{"classifier", number_of(losses.classification)},
                             {"boxReg", number_of(losses.box_regression)}},
          losses.classification + losses.box_regression};
}

FunctionOutput retinanet_head_of(const TensorTree& inputs, const Options& options) {
  const auto maps = inputs.tensors("maps");
  const AnchorOptions anchors = AnchorOptions::from(options);
  RetinaNetHead head(maps.front().size(1), anchors.per_position(), options.integer("numClasses"));
  bind_state(*head, inputs.state_dict("state"));
  const AnchorGrid grid = anchor_grid(anchors, size_from(options, "paddedImage"), sizes_of_maps(maps),
                                      maps.front().options().requires_grad(false));
  const RetinaNetOutput output = head(maps);
  const RetinaNetLosses losses = retinanet_losses(output, grid, targets_of(inputs), RetinaNetOptions::from(options),
                                                  at::full({}, 100.0, at::kDouble));
  return {TensorTree::Record{{"losses", TensorTree::Record{{"classification", number_of(losses.classification)},
                                                           {"bboxRegression", number_of(losses.box_regression)}}},
                             {"logits", output.logits},
                             {"deltas", output.deltas},
                             {"matches", losses.matches}},
          losses.classification + losses.box_regression};
}

FunctionOutput mask_targets_of(const TensorTree& inputs, const Options& options) {
  return {mask_targets(inputs.tensor("masks"), inputs.tensor("proposals"), inputs.tensor("matched"),
                       options.integer("size"), MaskOptions::from(options).targets),
          {}};
}

FunctionOutput mask_loss_of(const TensorTree& inputs, const Options&) {
  const at::Tensor labels = inputs.tensor("labels");
  const at::Tensor own = inputs.tensor("logits").index({at::arange(labels.size(0), labels.options()), labels});
  const at::Tensor loss = mask_loss(own, inputs.tensor("targets"));
  return {number_of(loss), loss};
}

FunctionOutput roi_detections_of(const TensorTree& inputs, const Options& options) {
  RoiOptions roi{};
  roi.box_weights = box_weights_from(options, "boxWeights");
  roi.score_threshold = options.number("scoreThresh");
  roi.nms_threshold = options.number("nmsThresh");
  roi.detections_per_image = options.integer("detectionsPerImg");
  options.read("minSize", roi.min_size);
  return {to_tree(roi_detections({inputs.tensor("logits"), inputs.tensor("deltas")}, inputs.tensors("proposals"),
                                 sizes_from(options, "imageSizes"), roi)),
          {}};
}

FunctionOutput retinanet_detections_of(const TensorTree& inputs, const Options& options) {
  RetinaNetOptions retinanet{};
  retinanet.score_threshold = options.number("scoreThresh");
  retinanet.nms_threshold = options.number("nmsThresh");
  retinanet.candidates_per_level = options.integer("topkCandidates");
  retinanet.detections_per_image = options.integer("detectionsPerImg");
  retinanet.clips_before_nms = options.boolean("clipBeforeNms");
  const RetinaNetOutput output{at::cat(inputs.tensors("logits"), 1), at::cat(inputs.tensors("deltas"), 1)};
  return {to_tree(retinanet_detections(output, {inputs.tensors("anchors"), {}}, sizes_from(options, "imageSizes"),
                                       retinanet)),
          {}};
}

FunctionOutput resized_size_of(const TensorTree&, const Options& options) {
  const auto rule = options.choice<ops::ResizeRule>(
      "resize", {{"torchvision", ops::ResizeRule::kTorchvision}, {"detectron2", ops::ResizeRule::kDetectron2}});
  return {binding::to_tree(ops::resized_size(size_from(options, "size"), options.number("minSize"),
                                             options.number("maxSize"), rule)),
          {}};
}

FunctionOutput transform_of(const TensorTree& inputs, const Options& options) {
  const DetectorInput input(InputOptions::from(options));
  const auto images = inputs.tensors("images");
  const ImageBatch batch = input.prepare(images);
  TensorTree::List sizes, targets;
  for (const ImageSize& size : batch.sizes) sizes.push_back(binding::to_tree(size));
  TensorTree::Record record = {{"input", input.normalized(batch)}, {"imageSizes", std::move(sizes)}};
  if (!inputs.has("targets")) return {std::move(record), {}};
  for (size_t i = 0; i < images.size(); ++i) {
    const TensorTree& given = inputs.list("targets").at(i);
    const ImageTargets image{given.tensor("boxes"), {}, given.has("masks") ? given.tensor("masks") : at::Tensor()};
    const ImageTargets resized = input.prepare(image, {images[i].size(1), images[i].size(2)}, batch.sizes.at(i));
    TensorTree::Record entry = {{"boxes", resized.boxes}};
    if (given.has("labels")) entry.emplace_back("labels", given.tensor("labels"));
    if (resized.masks.defined()) entry.emplace_back("masks", resized.masks);
    targets.push_back(std::move(entry));
  }
  record.emplace_back("targets", std::move(targets));
  return {std::move(record), {}};
}

}  // namespace
}  // namespace detection_parts

std::vector<ImageSize> sizes_from(const Options& options, const std::string& field) {
  std::vector<ImageSize> sizes;
  for (const Value& entry : std::get<Value::List>(options.at(field).content)) {
    const auto& pair = std::get<Value::List>(entry.content);
    sizes.push_back({static_cast<int64_t>(std::get<double>(pair.at(0).content)),
                     static_cast<int64_t>(std::get<double>(pair.at(1).content))});
  }
  return sizes;
}

const std::vector<FunctionRow>& detection_rows() {
  using namespace detection_parts;  // NOLINT(google-build-using-namespace)
  static const std::vector<FunctionRow> rows = {
      {"cellAnchors", {}, cell_anchors_of},
      {"anchors", {}, anchors_of},
      {"assignLevels", {}, assign_levels_of},
      {"multiScaleRoiAlign", {"maps"}, multiscale_roi_align_of},
      {"sample", {}, sample_of},
      {"regionProposals", {"maps", "state"}, region_proposals_of},
      {"roiLosses", {"logits", "deltas"}, roi_losses_of},
      {"retinaNetHead", {"maps", "state"}, retinanet_head_of},
      {"maskTargets", {}, mask_targets_of},
      {"maskLoss", {"logits"}, mask_loss_of},
      {"roiDetections", {}, roi_detections_of},
      {"retinaNetDetections", {}, retinanet_detections_of},
      {"resizedSize", {}, resized_size_of},
      {"transform", {}, transform_of},
  };
  return rows;
}

}  // namespace reviewkd::binding
