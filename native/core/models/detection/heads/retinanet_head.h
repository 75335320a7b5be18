#pragma once
// The one-stage detector's head: classifies each anchor of each level, and moves it.
// Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017); with torchvision's state-dict names
// (models/detection/retinanet.py).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/models/detection/boxes/anchors.h"
#include "core/models/detection/boxes/matching.h"
#include "core/models/layers.h"

namespace reviewkd::detection {

struct RetinaNetOutput {
  at::Tensor logits;  // [N, A, classes], of the anchors of all levels one after the other
  at::Tensor deltas;  // [N, A, 4]
};

/// One branch: four 3×3 convolutions with ReLU, and a last one.
class RetinaNetBranchImpl : public torch::nn::Module {
 public:
  /// last: state-dict name of the last convolution.
  RetinaNetBranchImpl(int64_t channels, int64_t outputs, const std::string& last);

  /// levels: [N, C, H, W] each -> [N, outputs, H, W] each.
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& levels);

  const torch::nn::Conv2d& last() const { return last_.layer(); }

 private:
  torch::nn::ModuleList conv;
  BiasedConv last_;
};
TORCH_MODULE(RetinaNetBranch);

class RetinaNetHeadImpl : public torch::nn::Module {
 public:
  /// anchors: at each position.
  RetinaNetHeadImpl(int64_t channels, int64_t anchors, int64_t num_classes);

  RetinaNetOutput forward(const std::vector<at::Tensor>& levels);

  void initialize(const at::Generator& generator);

 private:
  int64_t num_classes_;
  RetinaNetBranch classification_head, regression_head;
};
TORCH_MODULE(RetinaNetHead);

enum class BoxLossKind { kL1, kSmoothL1, kGeneralizedIou };

/// Divided by: the objects' anchors of each image, averaged over the images (torchvision), or a running mean of the
/// objects' anchors of a batch (detectron2).
enum class RetinaNetNormalizer { kImage, kRunningMean };

struct RetinaNetOptions {
  MatchOptions matching;
  ops::BoxWeights box_weights;
  double alpha, gamma;
  BoxLossKind box_loss;
  double smooth_l1_beta;
  RetinaNetNormalizer normalizer;
  double score_threshold, nms_threshold;
  int64_t candidates_per_level, detections_per_image;
  /// Whether boxes are clipped to the image before suppression (torchvision) or not at all here (detectron2).
  bool clips_before_nms;

  static RetinaNetOptions from(const Options& options);
};

struct RetinaNetLosses {
  at::Tensor classification, box_regression;  // scalars
  /// Of each image, int64 by anchor, as `match` has them.
  std::vector<at::Tensor> matches;
};

/// normalizer: the running mean that kRunningMean updates, a float64 scalar; else unused.
RetinaNetLosses retinanet_losses(const RetinaNetOutput& output, const AnchorGrid& anchors,
                                 const std::vector<ImageTargets>& targets, const RetinaNetOptions& options,
                                 at::Tensor normalizer);

/// Detections of each image, whose sizes are without padding.
std::vector<Detections> retinanet_detections(const RetinaNetOutput& output, const AnchorGrid& anchors,
                                             const std::vector<ImageSize>& images, const RetinaNetOptions& options);

}  // namespace reviewkd::detection
