#include "core/models/detection/two_stage_detector.h"

#include <utility>

#include "core/base/random.h"
#include "core/models/detection/padded/padded_detections.h"

namespace reviewkd::detection {
namespace {

/// Which random numbers of a step a part draws.
enum class Draws : uint64_t { kAnchors, kProposals };

}  // namespace

std::vector<ImageSize> sizes_of(const ImageBatch& batch) {
  std::vector<ImageSize> sizes;
  sizes.reserve(batch.count());
  for (int64_t i = 0; i < batch.count(); ++i) sizes.push_back(batch.size(i));
  return sizes;
}

TwoStageDetectorImpl::TwoStageDetectorImpl(const DetectorOptions& options)
    : DetectorImpl(options),
      training_(RpnOptions::from(options.switches, /*training=*/true)),
      inference_(RpnOptions::from(options.switches, /*training=*/false)),
      rpn_head_(options.pyramid_channels, options.anchors.per_position()),
      roi_heads(options.pyramid_channels,
                RoiOptions::from(options.switches, options.num_classes, options.kind == DetectorKind::kMaskRcnn)) {
  register_module("rpn", std::make_shared<torch::nn::Module>())->register_module("head", rpn_head_);
  register_module("roi_heads", roi_heads);
  freeze_parts();
}

RoiFeatures TwoStageDetectorImpl::roi_features(const std::vector<at::Tensor>& levels, const ImageBatch& batch) const {
  // p6 is for proposals alone.
  return {{levels.begin(), levels.end() - 1}, sizes_of(batch)};
}

const std::vector<std::string>& TwoStageDetectorImpl::loss_names() const {
  static const std::vector<std::string> boxes = {"objectness", "rpnBoxReg", "classifier", "boxReg"};
  static const std::vector<std::string> masks = {"objectness", "rpnBoxReg", "classifier", "boxReg", "mask"};
  return has_masks() ? masks : boxes;
}

DetectorLosses TwoStageDetectorImpl::losses(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                                            const std::vector<ImageTargets>& targets, uint64_t seed) {
  const AnchorGrid anchors = anchors_for(levels, batch);
  const RpnSample sample =
      sample_anchors(anchors, targets, training_, key_of({seed, static_cast<uint64_t>(Draws::kAnchors)}));
  const auto [all, sampled, maps] = rpn_head_->forward_for_training(levels, sample);
  const auto proposals = propose(all, anchors, sizes_of(batch), training_);
  const RpnLosses rpn = rpn_losses(sampled, sample, training_);
  auto [roi, regions] = roi_heads->losses(roi_features(maps, batch), proposals, targets,
                                          key_of({seed, static_cast<uint64_t>(Draws::kProposals)}));
  std::vector<at::Tensor> losses = {rpn.objectness, rpn.box_regression, roi.classification, roi.box_regression};
  if (has_masks()) losses.push_back(roi.mask);
  return {std::move(losses), std::move(regions)};
}

at::Tensor TwoStageDetectorImpl::region_logits(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                                               const std::vector<at::Tensor>& boxes) {
  return roi_heads->predict(roi_features(levels, batch), boxes).predictions.logits;
}

std::vector<Detections> TwoStageDetectorImpl::detect(const std::vector<at::Tensor>& levels, const ImageBatch& batch) {
  const auto proposals = propose(rpn_head_(levels), anchors_for(levels, batch), sizes_of(batch), inference_);
  return roi_heads->detect(roi_features(levels, batch), proposals);
}

PaddedDetections TwoStageDetectorImpl::detect_padded(const std::vector<at::Tensor>& levels, const ImageBatch& batch) {
  const ScoredBoxes proposals =
      propose_padded(rpn_head_(levels), anchors_for(levels, batch), batch.size(0), inference_);
  const RoiFeatures features = roi_features(levels, batch);
  const auto predictions = roi_heads->predict_regions(features, regions_of(proposals.boxes)).predictions;
  PaddedDetections found = roi_detections_padded(predictions, proposals, batch.size(0), roi_heads->options());
  if (!has_masks()) return found;
  const at::Tensor masks = roi_heads->mask_probabilities(features, regions_of(found.boxes),
                                                         found.labels.flatten().clamp_min(0));  // [N · D, S, S]
  found.masks = masks.view({found.boxes.size(0), found.boxes.size(1), masks.size(1), masks.size(2)});
  return found;
}

HeadOutputs TwoStageDetectorImpl::head_outputs(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                                               bool training) {
  const RpnOutput output = rpn_head_(levels);
  return {propose(output, anchors_for(levels, batch), sizes_of(batch), training ? training_ : inference_),
          {{"objectness", output.objectness}, {"rpnDeltas", output.deltas}}};
}

void TwoStageDetectorImpl::run_heads(const std::vector<at::Tensor>& levels, const ImageBatch& batch) {
  rpn_head_(levels);
  roi_heads->run_on(roi_features(levels, batch), inference_.post_nms_top_n);
}

void TwoStageDetectorImpl::initialize_heads(const at::Generator& generator) {
  rpn_head_->initialize(generator);
  roi_heads->initialize(generator, options().initialization);
}

}  // namespace reviewkd::detection
