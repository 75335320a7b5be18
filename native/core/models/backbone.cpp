#include "core/models/backbone.h"

#include <exception>

#include "core/base/error.h"

namespace reviewkd {

NetworkLock::NetworkLock(Network& first, Network* second) : first_(first), second_(second) {
  if (second_ == nullptr) first_.mutex.lock();
  else std::lock(first_.mutex, second_->mutex);
  try {
    for (const Network* network : {&first_, second_}) {
      if (network != nullptr) network->fence.wait(network->device());
    }
  } catch (...) {
    first_.mutex.unlock();
    if (second_ != nullptr) second_->mutex.unlock();
    throw;
  }
}

NetworkLock::~NetworkLock() {
  for (Network* network : {&first_, second_}) {
    if (network == nullptr) continue;
    try {
      network->fence.record(network->device());
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
      // After a device failure the next call fails again and may throw.
    }
    network->mutex.unlock();
  }
}

std::vector<StageFeature> BackboneImpl::forward_stages(const at::Tensor&) {
  fail(ErrorCode::kInternal, "invalid call: this network has no stages for detectors.");
}

std::vector<at::Tensor> BackboneImpl::forward_activated_stages(const at::Tensor& images) {
  std::vector<at::Tensor> stages;
  for (const StageFeature& feature : forward_stages(images)) stages.push_back(feature.after);
  return stages;
}

Trunk BackboneImpl::trunk() {
  fail(ErrorCode::kInvalidArgument,
       "invalid backbone: expected a network with stages of strides 4, 8, 16 and 32, received another. Use a ResNet or "
       "MobileNet for ImageNet, such as resnet50 or mobilenetv2.");
}

void BackboneImpl::require_gradients(bool required) {
  for (auto& parameter : parameters()) parameter.set_requires_grad(false);
  for (auto& parameter : trainable_parameters()) parameter.set_requires_grad(required);
}

ImageSize image_size_of(const at::Tensor& images) {
  if (images.dim() == 4 && images.size(0) == 0) {
    fail(ErrorCode::kShapeMismatch, "invalid images: expected at least one, [N, 3, H, W] with N ≥ 1, received ",
         images.sizes(), ". Skip batches without images.");
  }
  if (images.dim() != 4 || images.size(1) != 3 || images.size(2) < 1 || images.size(3) < 1) {
    fail(ErrorCode::kShapeMismatch, "invalid images: expected shape [N, 3, H, W], received ", images.sizes(), ".");
  }
  return {images.size(2), images.size(3)};
}

int64_t parameter_count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace reviewkd
