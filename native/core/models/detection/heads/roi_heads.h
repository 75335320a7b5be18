#pragma once
// The second stage of two-stage detectors: classifies proposals, moves their boxes, and draws their masks.
// Girshick, "Fast R-CNN" (ICCV 2015); He et al., "Mask R-CNN" (ICCV 2017); with torchvision's state-dict names
// (models/detection/roi_heads.py, mask_rcnn.py).

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <optional>
#include <vector>

#include "core/models/detection/boxes/detections.h"
#include "core/models/detection/boxes/matching.h"
#include "core/models/detection/boxes/roi_pooling.h"
#include "core/models/detection/boxes/sampler.h"
#include "core/models/detection/heads/initialization.h"
#include "core/models/detection/heads/mask_head.h"

namespace reviewkd::detection {

struct RoiOptions {
  int64_t num_classes;  // with the background, which is class 0
  MatchOptions matching;
  SamplerOptions sampling;
  ops::BoxWeights box_weights;
  double smooth_l1_beta;  // 0: L1
  RoiPoolingOptions box_pooling, mask_pooling;
  double score_threshold, nms_threshold;
  /// Sides that a detection must have; none if empty.
  std::optional<double> min_size;
  int64_t detections_per_image;
  std::optional<MaskOptions> masks;

  static RoiOptions from(const Options& options, int64_t num_classes, bool has_masks);
};

struct RoiLosses {
  at::Tensor classification, box_regression;  // scalars
  at::Tensor mask;                            // undefined without masks
};

/// Losses, and the proposals that they were computed from.
struct RoiTrainingOutput {
  RoiLosses losses;
  RegionSample regions;
};

/// The maps that regions are pooled from, and the sizes of the images without padding.
struct RoiFeatures {
  std::vector<at::Tensor> maps;  // p2 … p5
  std::vector<ImageSize> images;
};

/// Scores and deltas of proposals.
struct BoxPredictions {
  at::Tensor logits;  // [K, classes]
  at::Tensor deltas;  // [K, 4 · classes]
};

struct BoxHeadOutput {
  BoxPredictions predictions;
  RoiFeatures features;  // for the next reader
};

class RoiHeadsImpl : public torch::nn::Module {
 public:
  RoiHeadsImpl(int64_t channels, const RoiOptions& options);

  /// Samples proposals and computes the losses from them.
  RoiTrainingOutput losses(const RoiFeatures& features, const std::vector<at::Tensor>& proposals,
                           const std::vector<ImageTargets>& targets, uint64_t seed);

  /// Objects of each image, masks as probabilities within the boxes.
  std::vector<Detections> detect(const RoiFeatures& features, const std::vector<at::Tensor>& proposals);

  /// Runs the box head on as many regions of the first image, and the mask head on as many as there may be detections.
  void run_on(const RoiFeatures& features, int64_t regions);

  /// The box head's outputs for all proposals, one image after the other.
  BoxHeadOutput predict(const RoiFeatures& features, const std::vector<at::Tensor>& proposals);
  /// The same for regions [K, 5].
  BoxHeadOutput predict_regions(const RoiFeatures& features, const at::Tensor& regions);
  /// Masks of the labels' classes within the regions, [K, 28, 28]. regions: [K, 5]; labels: int64 [K].
  at::Tensor mask_probabilities(const RoiFeatures& features, const at::Tensor& regions, const at::Tensor& labels);

  const RoiOptions& options() const { return options_; }

  void initialize(const at::Generator& generator, HeadInitialization initialization);

 private:
  at::Tensor mask_logits(const RoiFeatures& features, const at::Tensor& regions, const at::Tensor& labels);

  RoiOptions options_;
  torch::nn::Linear fc6_, fc7_, cls_score_, bbox_pred_;
  MaskHead mask_head_{nullptr};
  MaskPredictor mask_predictor_{nullptr};
};
TORCH_MODULE(RoiHeads);

/// Cross entropy over all proposals, and smooth L1 of the deltas of their classes, over the number of all proposals.
/// logits: [N, classes]; deltas: [N, 4 · classes]; labels: [N], 0 for background; targets: [N, 4].
RoiLosses roi_losses(const at::Tensor& logits, const at::Tensor& deltas, const at::Tensor& labels,
                     const at::Tensor& targets, double smooth_l1_beta);

/// Detections of each image, without masks.
std::vector<Detections> roi_detections(const BoxPredictions& predictions, const std::vector<at::Tensor>& proposals,
                                       const std::vector<ImageSize>& images, const RoiOptions& options);

}  // namespace reviewkd::detection
