#include "core/ops/paste_masks/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {
namespace {

bool pastes(const PasteInputs& inputs) {
  // Pixels of all masks, a thread each; those of one mask are counted in 32 bits.
  constexpr int64_t kMostThreads = int64_t{1} << 38;
  const int64_t pixels = inputs.height * inputs.width, count = inputs.boxes.size(0);
  return kernel_backend_for(inputs.boxes) != nullptr && inputs.boxes.scalar_type() == at::kFloat &&
         inputs.probabilities.numel() <= kMostPixels && pixels <= kMostPixels && pixels * count <= kMostThreads;
}

MaskPasting pasting_of(const PasteInputs& inputs) {
  MaskPasting call{};
  call.count = inputs.boxes.size(0);
  call.points = inputs.probabilities.size(1);
  call.height = inputs.height;
  call.width = inputs.width;
  call.detectron2 = inputs.rule == MaskPaste::kDetectron2;
  call.grids = inputs.probabilities.const_data_ptr<float>();
  call.boxes = inputs.boxes.const_data_ptr<float>();
  return call;
}

at::Tensor pixels_of(const PasteInputs& inputs, at::ScalarType type) {
  return at::empty({inputs.boxes.size(0), inputs.height, inputs.width}, inputs.boxes.options().dtype(type));
}

}  // namespace

std::optional<at::Tensor> paste_on_device(const PasteInputs& inputs) {
  if (!pastes(inputs)) return std::nullopt;
  const c10::OptionalDeviceGuard device(inputs.boxes.device());
  at::Tensor result = pixels_of(inputs, at::kFloat);
  MaskPasting call = pasting_of(inputs);
  call.probabilities = result.data_ptr<float>();
  kernel_backend_of(result.device().type())->paste_masks(call);
  return result;
}

std::optional<at::Tensor> paste_binary_on_device(const PasteInputs& inputs, double threshold) {
  if (!pastes(inputs)) return std::nullopt;
  const c10::OptionalDeviceGuard device(inputs.boxes.device());
  at::Tensor result = pixels_of(inputs, at::kByte);
  MaskPasting call = pasting_of(inputs);
  call.threshold = static_cast<float>(threshold);
  call.binary = result.data_ptr<uint8_t>();
  kernel_backend_of(result.device().type())->paste_masks(call);
  return result;
}

}  // namespace reviewkd::ops
