#pragma once
// The feature pyramid on top of a backbone's stages.
// Lin et al., "Feature Pyramid Networks for Object Detection" (CVPR 2017), figure 3; with torchvision's state-dict
// names (ops/feature_pyramid_network.py).

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "core/models/layers.h"

namespace reviewkd::detection {

/// The levels above p5.
enum class ExtraLevels {
  kPool,    // p6 is every second value of p5: R-CNNs
  kFromP5,  // p6 and p7 are strided convolutions, from p5
  kFromC5,  // the same from the backbone's last stage: Lin et al., "Focal Loss" (ICCV 2017)
};

struct PyramidOptions {
  std::vector<int64_t> in_channels;  // of the stages, shallow to deep
  int64_t out_channels = 256;
  ExtraLevels extra = ExtraLevels::kPool;
};

class FeaturePyramidImpl : public torch::nn::Module {
 public:
  explicit FeaturePyramidImpl(const PyramidOptions& options);

  /// stages: shallow to deep -> maps of `out_channels`, one for each, then the extra levels.
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& stages);

  void initialize(const at::Generator& generator);

  /// Stages of the backbone that it reads.
  size_t stages() const { return options_.in_channels.size(); }

 private:
  PyramidOptions options_;
  torch::nn::ModuleList inner_blocks, layer_blocks;
  std::vector<BiasedConv> extra_;  // p6 and p7
};
TORCH_MODULE(FeaturePyramid);

/// The sizes of the levels for stages of these sizes.
std::vector<ImageSize> pyramid_sizes(const std::vector<ImageSize>& stages, ExtraLevels extra);

}  // namespace reviewkd::detection
