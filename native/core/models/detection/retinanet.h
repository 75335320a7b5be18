#pragma once
// RetinaNet: a one-stage detector on the levels p3 … p7.
// Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017).

#include "core/models/detection/detector.h"
#include "core/models/detection/heads/retinanet_head.h"
#include "core/models/state_dict.h"

namespace reviewkd::detection {

class RetinaNetImpl : public DetectorImpl {
 public:
  explicit RetinaNetImpl(const DetectorOptions& options);

  DetectorLosses losses(const std::vector<at::Tensor>& levels, const ImageBatch& batch,
                        const std::vector<ImageTargets>& targets, uint64_t seed) override;
  const std::vector<std::string>& loss_names() const override;
  std::vector<Detections> detect(const std::vector<at::Tensor>& levels, const ImageBatch& batch) override;
  PaddedDetections detect_padded(const std::vector<at::Tensor>& levels, const ImageBatch& batch) override;
  HeadOutputs head_outputs(const std::vector<at::Tensor>& levels, const ImageBatch& batch, bool training) override;
  void run_heads(const std::vector<at::Tensor>& levels, const ImageBatch& batch) override;
  NamedTensors training_buffers() override;

 protected:
  void initialize_heads(const at::Generator& generator) override;

 private:
  RetinaNetOptions options_;
  RetinaNetHead head;
  /// Running mean of the objects' anchors of a batch, float64; see RetinaNetNormalizer.
  at::Tensor normalizer_;
};

}  // namespace reviewkd::detection
