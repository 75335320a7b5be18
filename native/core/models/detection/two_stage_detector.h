#pragma once
// Faster R-CNN, and Mask R-CNN, which adds masks to it.

#include "core/models/detection/detector.h"
#include "core/models/detection/heads/roi_heads.h"
#include "core/models/detection/heads/rpn.h"

namespace reviewkd::detection {

class TwoStageDetectorImpl : public DetectorImpl {
 public:
  explicit TwoStageDetectorImpl(const DetectorOptions& options);

  DetectorLosses losses(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                        const std::vector<ImageTargets>& targets, uint64_t seed) override;
  const std::vector<std::string>& loss_names() const override;
  std::vector<Detections> detect(const std::vector<at::Tensor>& levels, const ImageBatch& batch) override;
  at::Tensor region_logits(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                           const std::vector<at::Tensor>& boxes) override;
  PaddedDetections detect_padded(const std::vector<at::Tensor>& levels, const ImageBatch& batch) override;
  HeadOutputs head_outputs(const std::vector<at::Tensor>& levels, const ImageBatch& batch, bool training) override;
  void run_heads(const std::vector<at::Tensor>& levels, const ImageBatch& batch) override;

 protected:
  void initialize_heads(const at::Generator& generator) override;

 private:
  RoiFeatures roi_features(const std::vector<at::Tensor>& levels, const ImageBatch& batch) const;

  RpnOptions training_, inference_;
  RpnHead rpn_head_;
  RoiHeads roi_heads;
};

/// The sizes of a batch's images.
std::vector<ImageSize> sizes_of(const ImageBatch& batch);

}  // namespace reviewkd::detection
