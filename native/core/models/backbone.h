#pragma once
// The interface of networks for distillation: logits, the feature maps of the stages on both sides of the last
// activation, and a description of those maps. No code outside a family knows an architecture.

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/ops/backend/device_fence.h"

namespace reviewkd {

/// Height and width in pixels.
struct ImageSize {
  int64_t height;
  int64_t width;
};

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

class BackboneImpl : public torch::nn::Module {
 public:
  /// images: [N, 3, H, W], normalized.
  virtual BackboneOutput forward(const at::Tensor& images) = 0;

  /// One spec per entry of `BackboneOutput::features` for images of this size. Throws SHAPE_MISMATCH if the network
  /// does not support the size.
  virtual std::vector<FeatureSpec> feature_specs(ImageSize image) const = 0;

  /// Redraws every parameter from the published distributions and resets the statistics.
  virtual void initialize(at::Generator generator) = 0;

  virtual int64_t num_classes() const = 0;
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

/// Number of trainable values in a module.
int64_t parameter_count(const torch::nn::Module& module);

}  // namespace reviewkd
