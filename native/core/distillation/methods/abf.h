#pragma once
// Attention based fusion: merges one student stage with the fused deeper stages.
// Chen, Liu, Zhao, Jia: "Distilling Knowledge via Knowledge Review" (CVPR 2021), section 3.2, figure 3 (a).

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/pimpl.h>

#include <optional>

#include "core/distillation/method.h"
#include "core/models/layers.h"

namespace reviewkd {

/// How a student stage is merged with the result of the deeper ones: by attention, or plainly added.
enum class Fusion { kAbf, kSum };

struct AbfOptions {
  /// Channels of the student's stage.
  int64_t in_channels;
  /// Channels shared by all fusions of one student.
  int64_t mid_channels;
  /// Channels of the teacher's stage; nullopt for a fusion that is not compared with any, which has no output
  /// convolution.
  std::optional<int64_t> out_channels;
  /// Whether there is a deeper stage to fuse with: false for the deepest.
  bool has_residual;
  /// By attention, or by addition as in the paper's ablation.
  Fusion fusion = Fusion::kAbf;
};

/// The results of one fusion: a map to compare with the teacher's, and the input of the next shallower fusion.
struct Fused {
  at::Tensor output;    // [N, out, Ht, Wt], undefined without an output convolution
  at::Tensor residual;  // [N, mid, Ht, Wt]
};

class AbfImpl : public torch::nn::Module {
 public:
  explicit AbfImpl(const AbfOptions& options);

  /// x: [N, in, H, W]; residual: [N, mid, any, any], undefined for the deepest stage; teacher: size of the teacher's
  /// map. In training both convolutions normalize over N·H·W and N·Ht·Wt values, which must be more than one.
  Fused forward(const at::Tensor& x, const at::Tensor& residual, ImageSize teacher);

  /// Both convolutions from kaiming_uniform(a = 1), the attention from PyTorch's default.
  void initialize(at::Generator generator);

 private:
  bool has_residual_;
  torch::nn::Sequential conv1;
  torch::nn::Sequential conv2{nullptr};
  ConvNormChain narrow_, widen_;  // the layers of conv1 and conv2
  torch::nn::Sequential att_conv{nullptr};
};
TORCH_MODULE(Abf);

}  // namespace reviewkd
