#include "core/models/backbone.h"

#include "core/error.h"

namespace reviewkd {

ImageSize image_size_of(const at::Tensor& images) {
  if (images.dim() != 4 || images.size(0) < 1 || images.size(1) != 3 || images.size(2) < 1 || images.size(3) < 1) {
    fail(ErrorCode::kShapeMismatch, "expected [N, 3, H, W] for images, got ", images.sizes());
  }
  return {images.size(2), images.size(3)};
}

int64_t parameter_count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace reviewkd
