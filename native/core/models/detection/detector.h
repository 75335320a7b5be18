#pragma once
// Detectors: a backbone with a feature pyramid, and heads on its levels.
// Ren et al., "Faster R-CNN" (NeurIPS 2015); He et al., "Mask R-CNN" (ICCV 2017); Lin et al., "Focal Loss" (ICCV 2017);
// with torchvision's modules and state-dict names (models/detection), and detectron2's arithmetic where it differs.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/models/backbone.h"
#include "core/models/detection/boxes/anchors.h"
#include "core/models/detection/boxes/detections.h"
#include "core/models/detection/detector_input.h"
#include "core/models/detection/heads/initialization.h"
#include "core/models/detection/heads/pyramid.h"
#include "core/models/detection/weights/detector_kind.h"
#include "core/ops/paste_masks/paste_masks.h"

namespace reviewkd::detection {

struct DetectorOptions {
  DetectorKind kind;
  std::string backbone;
  int64_t num_classes;
  InputOptions input;
  AnchorOptions anchors;
  /// Whether the backbone's norms are frozen, with this epsilon.
  bool frozen_norms;
  double norm_epsilon;
  /// Whether bottlenecks have their stride in the first convolution.
  bool stride_in_1x1;
  /// Stages that are trained, from the last one backwards; 5: also the stem.
  int trainable_layers;
  /// Of each level of the pyramid.
  int64_t pyramid_channels;
  HeadInitialization initialization;
  ops::MaskPaste mask_paste;
  /// All switches, from which each part reads its own.
  Options switches;

  static DetectorOptions from(DetectorKind kind, const std::string& backbone, const Options& options);
};

/// Results of the heads on the pyramid, for comparing them.
struct HeadOutputs {
  /// Of each image, [K, 4]; empty for one-stage detectors.
  std::vector<at::Tensor> proposals;
  /// By name.
  std::vector<std::pair<std::string, at::Tensor>> raw;
};

struct DetectorLosses {
  /// A scalar for each of `DetectorImpl::loss_names`.
  std::vector<at::Tensor> values;
  /// Of two-stage detectors.
  std::optional<RegionSample> regions;
};

/// The names of the pyramid's levels, shallow to deep: pK has stride 2^K.
std::vector<std::string> level_names(DetectorKind kind);

/// The body and the pyramid; `backbone.body.*` and `backbone.fpn.*`.
class PyramidBackboneImpl : public torch::nn::Module {
 public:
  PyramidBackboneImpl(Backbone network, const PyramidOptions& pyramid);

  /// images: [N, 3, H, W], normalized -> levels, shallow to deep.
  std::vector<at::Tensor> forward(const at::Tensor& images);

  BackboneImpl& network() const { return *network_; }
  FeaturePyramid& pyramid() { return fpn; }

 private:
  Backbone network_;
  FeaturePyramid fpn;
};
TORCH_MODULE(PyramidBackbone);

class DetectorImpl : public BackboneImpl {
 public:
  explicit DetectorImpl(const DetectorOptions& options);

  /// The pyramid's levels, for normalized images without padding.
  BackboneOutput forward(const at::Tensor& images) final;
  /// The pyramid's levels. batch: values 0 … 1, resized.
  BackboneOutput forward_batch(const ImageBatch& batch) final { return forward(input_.normalized(batch)); }

  std::vector<FeatureSpec> feature_specs(ImageSize image) const final;
  void initialize(at::Generator generator) final;
  int64_t num_classes() const final { return options_.num_classes; }
  bool is_classifier() const final { return false; }
  std::vector<at::Tensor> trainable_parameters() const final;

  const DetectorInput& input() const { return input_; }

  /// levels: of `forward_batch` for the batch.
  virtual DetectorLosses losses(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                                const std::vector<ImageTargets>& targets, uint64_t seed) = 0;
  virtual const std::vector<std::string>& loss_names() const = 0;

  /// Objects of each image, in the resized images; masks as probabilities within the boxes.
  virtual std::vector<Detections> detect(const std::vector<at::Tensor>& levels, const ImageBatch& batch) = 0;
  /// The same for images of one size, in tensors of fixed shapes.
  virtual PaddedDetections detect_padded(const std::vector<at::Tensor>& levels, const ImageBatch& batch) = 0;
  /// From images [N, 3, H, W] of values 0 … 1, which are neither resized nor of several sizes, to their objects in
  /// tensors of fixed shapes, as `detect` and `in_original_image` find them.
  PaddedDetections detect_in_place(const at::Tensor& images);
  /// With proposals by the numbers of training or of inference.
  virtual HeadOutputs head_outputs(const std::vector<at::Tensor>& levels, const ImageBatch& batch, bool training) = 0;

  /// Class logits [ΣK, classes] of the regions of all images, by the box head. boxes: [K, 4] of each image, on the
  /// resized images. Throws INVALID_ARGUMENT for a detector without a second stage.
  virtual at::Tensor region_logits(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                                   const std::vector<at::Tensor>& boxes);
  bool has_regions() const { return options_.kind != DetectorKind::kRetinaNet; }

  /// Runs the heads as `detect` does if it finds as much as it may: of two-stage detectors on the largest numbers of
  /// proposals and masks. For counting their arithmetic.
  virtual void run_heads(const std::vector<at::Tensor>& levels, const ImageBatch& batch) = 0;

  /// An image's detections in its original size. threshold: of masks, which are pasted as probabilities without one.
  Detections in_original_image(Detections image, ImageSize resized, ImageSize original,
                               std::optional<double> mask_threshold) const;

  /// Whether labels count from 1, 0 being the background.
  bool has_background_class() const { return options_.kind != DetectorKind::kRetinaNet; }
  bool has_masks() const { return options_.kind == DetectorKind::kMaskRcnn; }
  const DetectorOptions& options() const { return options_; }
  /// The part that runs in `forward`.
  const torch::nn::Module& pyramid_backbone() const { return *backbone; }

 protected:
  AnchorGrid anchors_for(const std::vector<at::Tensor>& levels, const ImageBatch& batch) const;
  virtual void initialize_heads(const at::Generator& generator) = 0;
  /// Call at the end of the constructor.
  void freeze_parts();

 private:
  DetectorOptions options_;
  DetectorInput input_;
  PyramidBackbone backbone;
};
using Detector = std::shared_ptr<DetectorImpl>;

}  // namespace reviewkd::detection

namespace reviewkd {

/// The detector that a network is. Throws INVALID_ARGUMENT for any other.
detection::DetectorImpl& detector_of(const BackboneImpl& network);

/// The pyramid's levels in a detector's output, shallow to deep.
std::vector<at::Tensor> levels_of(const BackboneOutput& output);

}  // namespace reviewkd
