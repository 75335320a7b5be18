#include "core/models/detection/retinanet.h"

#include <ATen/ATen.h>

#include "core/models/detection/padded/padded_detections.h"
#include "core/models/detection/two_stage_detector.h"

namespace reviewkd::detection {
namespace {

/// detectron2's first value of the running mean.
constexpr double kFirstNormalizer = 100.0;

}  // namespace

RetinaNetImpl::RetinaNetImpl(const DetectorOptions& options)
    : DetectorImpl(options),
      options_(RetinaNetOptions::from(options.switches)),
      head(options.pyramid_channels, options.anchors.per_position(), options.num_classes),
      normalizer_(at::full({}, kFirstNormalizer, at::kDouble)) {
  register_module("head", head);
  freeze_parts();
}

const std::vector<std::string>& RetinaNetImpl::loss_names() const {
  static const std::vector<std::string> names = {"classification", "bboxRegression"};
  return names;
}

DetectorLosses RetinaNetImpl::losses(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                                     const std::vector<ImageTargets>& targets, uint64_t) {
  const RetinaNetLosses losses =
      retinanet_losses(head(levels), anchors_for(levels, batch), targets, options_, normalizer_);
  return {{losses.classification, losses.box_regression}, std::nullopt};
}

std::vector<Detections> RetinaNetImpl::detect(const std::vector<at::Tensor>& levels, const ImageBatch& batch) {
  return retinanet_detections(head(levels), anchors_for(levels, batch), sizes_of(batch), options_);
}

PaddedDetections RetinaNetImpl::detect_padded(const std::vector<at::Tensor>& levels, const ImageBatch& batch) {
  return retinanet_detections_padded(head(levels), anchors_for(levels, batch), batch.size(0), options_);
}

HeadOutputs RetinaNetImpl::head_outputs(const std::vector<at::Tensor>& levels, const ImageBatch&, bool) {
  const RetinaNetOutput output = head(levels);
  return {{}, {{"logits", output.logits}, {"deltas", output.deltas}}};
}

void RetinaNetImpl::run_heads(const std::vector<at::Tensor>& levels, const ImageBatch&) { head(levels); }

NamedTensors RetinaNetImpl::training_buffers() {
  if (options_.normalizer != RetinaNetNormalizer::kRunningMean) return {};
  return {{"head.loss_normalizer", normalizer_}};
}

void RetinaNetImpl::initialize_heads(const at::Generator& generator) { head->initialize(generator); }

}  // namespace reviewkd::detection
