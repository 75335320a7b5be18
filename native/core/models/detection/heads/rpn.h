#pragma once
// The region proposal network: scores anchors as object or background, and moves them.
// Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks" (NeurIPS 2015); with
// torchvision's state-dict names (models/detection/rpn.py).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/models/detection/boxes/anchors.h"
#include "core/models/detection/boxes/matching.h"
#include "core/models/detection/boxes/sampler.h"
#include "core/models/detection/heads/conv_layer.h"

namespace reviewkd::detection {

/// Scores and deltas of the anchors, all levels one after the other.
struct RpnOutput {
  at::Tensor objectness;  // [N, A], logits
  at::Tensor deltas;      // [N, A, 4]
};

/// The anchors that the losses are computed from, one image after the other.
struct RpnSample {
  at::Tensor images, anchors;  // int64 [S]
  at::Tensor labels;           // int64 [S]: 1 object, 0 background
  at::Tensor positive;         // int64 [P], which of them are objects
  at::Tensor deltas;           // [P, 4], of the objects
  /// Of each image: int64 by anchor: 1 object, 0 background, -1 ignored.
  std::vector<at::Tensor> all_labels;
};

/// Scores and deltas of sampled anchors.
struct RpnSampleOutput {
  at::Tensor objectness;  // [S], logits
  at::Tensor deltas;      // [S, 4]
};

/// For training: all outputs, from which proposals are made, those of the sample, which have gradients, and the levels
/// for the next reader.
struct RpnTrainingOutput {
  RpnOutput all;
  RpnSampleOutput sampled;
  std::vector<at::Tensor> levels;
};

class RpnHeadImpl : public torch::nn::Module {
 public:
  /// anchors: at each position.
  RpnHeadImpl(int64_t channels, int64_t anchors);

  /// levels: [N, C, H, W] each.
  RpnOutput forward(const std::vector<at::Tensor>& levels);

  /// A sample of a few positions is computed from the pixels around them, so that nothing need be saved of all others,
  /// whose gradients are zero.
  RpnTrainingOutput forward_for_training(const std::vector<at::Tensor>& levels, const RpnSample& sample);

  void initialize(const at::Generator& generator);

 private:
  ConvLayerImpl& hidden_layer() const;
  /// Without `all`.
  RpnTrainingOutput forward_at_positions(const std::vector<at::Tensor>& levels, const RpnSample& sample) const;

  int64_t anchors_;
  torch::nn::Sequential conv{nullptr};  // of ConvLayers
  torch::nn::Conv2d cls_logits, bbox_pred;
};
TORCH_MODULE(RpnHead);

/// Divisor of the losses: the anchors that were sampled (torchvision), or those that might have been (detectron2).
enum class RpnNormalizer { kSampled, kBatchSize };

struct RpnOptions {
  MatchOptions matching;
  SamplerOptions sampling;
  RpnNormalizer normalizer;
  ops::BoxWeights box_weights;
  double smooth_l1_beta;  // 0: L1
  /// Best anchors of a level before, and proposals of an image after suppression.
  int64_t pre_nms_top_n, post_nms_top_n;
  double nms_threshold;
  /// Sides that a proposal must have; 0: more than 0.
  double min_size;

  /// training: which of the numbers of proposals are read.
  static RpnOptions from(const Options& options, bool training);
};

/// Proposals of each image, [K, 4], by falling score. images: without padding. Without gradients.
std::vector<at::Tensor> propose(const RpnOutput& output, const AnchorGrid& anchors,
                                const std::vector<ImageSize>& images, const RpnOptions& options);

RpnSample sample_anchors(const AnchorGrid& anchors, const std::vector<ImageTargets>& targets, const RpnOptions& options,
                         uint64_t seed);

struct RpnLosses {
  at::Tensor objectness, box_regression;  // scalars
};

RpnLosses rpn_losses(const RpnSampleOutput& output, const RpnSample& sample, const RpnOptions& options);

/// The maps of a dense head, [N, A · C, H, W] by level -> [N, all anchors, C]: anchors of a position one after the
/// other, positions row by row, level after level.
at::Tensor by_anchor(const std::vector<at::Tensor>& maps, int64_t channels);

}  // namespace reviewkd::detection
