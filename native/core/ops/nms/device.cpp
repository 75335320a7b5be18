#include "core/ops/nms/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <vector>

#include "core/ops/backend/kernel_backends.h"
#include "core/ops/boxes/overlaps.h"

namespace reviewkd::ops {
namespace {

/// Their pairs take 32 MiB.
constexpr int64_t kMostSuppressedBoxes = 16384;
constexpr int64_t kBoxesOfWord = 64;

/// Follows the pairs from the highest score down: boxes that remain suppress others.
at::Tensor follow_scores(const at::Tensor& suppresses) {
  const int64_t count = suppresses.size(0), words = suppresses.size(1);
  at::Tensor remains = at::zeros({count}, at::kBool);
  std::vector<int64_t> gone(words, 0);
  for (int64_t i = 0; i < count; ++i) {
    if ((static_cast<uint64_t>(gone[i / kBoxesOfWord]) >> (i % kBoxesOfWord) & 1) != 0) continue;
    remains.data_ptr<bool>()[i] = true;
    const int64_t* const row = suppresses.const_data_ptr<int64_t>() + i * words;
    for (int64_t word = i / kBoxesOfWord; word < words; ++word) gone[word] |= row[word];
  }
  return remains;
}

}  // namespace

std::optional<at::Tensor> nms_on_device(const at::Tensor& boxes_in, const at::Tensor& classes_in,
                                        double iou_threshold) {
  const KernelBackend* const backend = kernel_backend_for(boxes_in);
  const int64_t count = boxes_in.size(0);
  if (backend == nullptr || boxes_in.scalar_type() != at::kFloat || count > kMostSuppressedBoxes) return std::nullopt;
  const c10::OptionalDeviceGuard device(boxes_in.device());
  const at::Tensor boxes = boxes_in.contiguous(), classes = classes_in.contiguous();
  const at::Tensor suppresses =
      at::empty({count, (count + kBoxesOfWord - 1) / kBoxesOfWord}, boxes.options().dtype(at::kLong));
  BoxSuppression call{};
  call.count = count;
  call.boxes = boxes.const_data_ptr<float>();
  call.classes = classes.const_data_ptr<int64_t>();
  call.threshold = rounded_down<float>(iou_threshold);
  call.suppresses = reinterpret_cast<uint64_t*>(suppresses.data_ptr<int64_t>());
  backend->suppress_boxes(call);
  return follow_scores(suppresses.cpu()).to(boxes.device());
}

}  // namespace reviewkd::ops
