#pragma once
// The interface of networks for distillation: logits, the feature maps of the stages on both sides of the last
// activation, and a description of those maps. No code outside a family knows an architecture.

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/ops/backend/device_fence.h"
#include "core/ops/images/image_batch.h"

namespace reviewkd {

/// A stage's output for one image size.
struct FeatureSpec {
  std::string name;
  int64_t channels;
  int64_t height;
  int64_t width;
};

/// The map after a stage, before and after the stage's last activation. The two never share memory, unless the stage
/// has no activation (a pooled vector, a linear bottleneck): then they are the same tensor.
///
/// A network that activates at the start of its blocks (Wide ResNets) has no activation at a stage's end. As in the
/// published code, `after` is then the stage's raw sum, and `before` is that sum under the normalization that starts
/// the next block (or the head) and precedes its ReLU: computed once, and used by the forward pass as well.
struct StageFeature {
  at::Tensor before;  // [N, C, H, W]
  at::Tensor after;   // [N, C, H, W]
};

struct BackboneOutput {
  std::vector<StageFeature> features;  // shallow to deep, the pooled vector last
  at::Tensor logits;                   // [N, classes]
};

/// The part of a network that detectors are built on: everything up to the end of its last stage.
struct Trunk {
  struct Part {
    /// As torchvision's detectors name it below `backbone.body`.
    std::string name;
    std::shared_ptr<torch::nn::Module> module;
    /// 0: the stem, before the first stage; 1 … 4: the stages.
    int stage;
  };
  std::vector<Part> parts;
};

class BackboneImpl : public torch::nn::Module {
 public:
  /// images: [N, 3, H, W], normalized.
  virtual BackboneOutput forward(const at::Tensor& images) = 0;

  /// The output for a batch that may be padded. Networks for images of one size, which are normalized before, ignore
  /// padding.
  virtual BackboneOutput forward_batch(const ImageBatch& batch) { return forward(batch.pixels); }

  /// The maps of the stages alone, whose strides are 4, 8, 16 and 32; see `trunk`.
  virtual std::vector<StageFeature> forward_stages(const at::Tensor& images);

  /// The same after their activations alone.
  virtual std::vector<at::Tensor> forward_activated_stages(const at::Tensor& images);

  /// Throws INVALID_ARGUMENT for a network without four stages of strides 4, 8, 16 and 32.
  virtual Trunk trunk();

  /// The parameters that a training changes; a detector keeps some of its own fixed.
  virtual std::vector<at::Tensor> trainable_parameters() const { return parameters(); }

  /// Turns gradients of the trainable parameters on or off; those of the others are off.
  void require_gradients(bool required);

  /// Values that training changes in addition to the state dict; names as of the state dict.
  virtual std::vector<std::pair<std::string, at::Tensor>> training_buffers() { return {}; }

  /// One spec per entry of `BackboneOutput::features` for images of this size. Throws SHAPE_MISMATCH if the network
  /// does not support the size.
  virtual std::vector<FeatureSpec> feature_specs(ImageSize image) const = 0;

  /// Redraws every parameter from the published distributions and resets the statistics.
  virtual void initialize(at::Generator generator) = 0;

  virtual int64_t num_classes() const = 0;

  /// Whether the output has logits; a detector's heads run on its maps later.
  virtual bool is_classifier() const { return true; }
};

using Backbone = std::shared_ptr<BackboneImpl>;

/// A shared network. The mutex is held for each forward pass, step or state-dict copy, so that one network can serve
/// several sessions and callers.
struct Network {
  std::string name;
  Backbone module;
  std::mutex mutex;
  /// Recorded after the device work submitted by the last holder of the mutex.
  ops::DeviceFence fence;
  /// Whether its parameters are as initialised: never loaded, and in no training.
  std::atomic<bool> is_untrained = true;

  at::ScalarType dtype() const { return module->parameters().front().scalar_type(); }
  at::Device device() const { return module->parameters().front().device(); }
};

/// Exclusive access to one or two networks for the calling thread. On a device, its current stream waits for the work
/// of the previous holder, and the next holder's stream for the work of this one.
class NetworkLock {
 public:
  explicit NetworkLock(Network& network) : NetworkLock(network, nullptr) {}
  NetworkLock(Network& first, Network* second);
  ~NetworkLock();
  NetworkLock(const NetworkLock&) = delete;
  NetworkLock& operator=(const NetworkLock&) = delete;

 private:
  Network& first_;
  Network* second_;
};

/// Throws SHAPE_MISMATCH unless `images` is [N, 3, H, W] with N ≥ 1, and returns its size.
ImageSize image_size_of(const at::Tensor& images);

/// Number of values in a module's parameters.
int64_t parameter_count(const torch::nn::Module& module);

}  // namespace reviewkd
