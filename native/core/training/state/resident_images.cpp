#include "core/training/state/resident_images.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cstring>

#include "core/data/augmentation.h"
#include "core/data/batch_loader.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd {
namespace {

constexpr int64_t kShareOfMemory = 4;

at::Tensor lookup_tensor(const Normalization& normalization, c10::Device device) {
  const PixelLookup lookup = lookup_of(normalization);
  at::Tensor values = at::empty({3, 256}, at::kFloat);
  std::memcpy(values.data_ptr(), lookup.data(), sizeof lookup);
  return values.to(device);
}

/// The images of a pass in their order, each with its crop: [images, bytes of a pick].
at::Tensor picks_of(int64_t size, const BatchPlan& plan) {
  const auto order = data_order(size, plan.seed, plan.epoch, plan.shuffle);
  at::Tensor picks = at::empty({size, static_cast<int64_t>(sizeof(ops::ImagePick))}, at::kByte);
  auto* pick = reinterpret_cast<ops::ImagePick*>(picks.data_ptr());
  for (const int64_t index : order) {
    const Crop crop = plan.augment ? random_crop(plan.seed, plan.epoch, index) : Crop{};
    *pick++ = {static_cast<int32_t>(index), static_cast<uint8_t>(crop.top), static_cast<uint8_t>(crop.left),
               static_cast<uint8_t>(crop.flip), 0};
  }
  return picks;
}

}  // namespace

GatheredImages ResidentBatches::allocate(int64_t count) const {
  return {at::empty({count, 3, images.size(2), images.size(3)}, images.options().dtype(at::kFloat),
                    at::MemoryFormat::ChannelsLast),
          at::empty({count}, labels.options())};
}

void ResidentBatches::gather(const GatheredImages& into, int64_t first, const int64_t* position) const {
  const c10::OptionalDeviceGuard device(images.device());
  ops::kernel_backend_of(images.device().type())
      ->gather_images({
          .images = images.const_data_ptr(),
          .labels = labels.const_data_ptr<int64_t>(),
          .lookup = ops::address<const float>(lookup),
          .picks = reinterpret_cast<const ops::ImagePick*>(picks.const_data_ptr()) + (position != nullptr ? 0 : first),
          .position = position,
          .count = into.labels.size(0),
          .height = images.size(2),
          .width = images.size(3),
          .padding = kPadding,
          .out = into.images.data_ptr<float>(),
          .out_labels = into.labels.data_ptr<int64_t>(),
      });
}

ResidentPass::ResidentPass(ResidentBatches batches, const BatchPlan& plan)
    : batches_(std::move(batches)),
      plan_(plan),
      count_(batch_count(batches_.images.size(0), plan)),
      next_(plan.first_batch) {}

std::optional<Batch> ResidentPass::next() {
  for (; next_ < count_; ++next_) {
    const auto [begin, length] = plan_.own(next_, plan_.images_of(next_, batches_.images.size(0)));
    if (length == 0) continue;
    const GatheredImages gathered = batches_.allocate(length);
    batches_.gather(gathered, next_++ * batches_.batch_size + begin);
    return gathered.batch();
  }
  return std::nullopt;
}

int64_t ResidentPass::full_batches_left() const {
  return std::max<int64_t>(0, std::min(count_, batches_.images.size(0) / batches_.batch_size) - next_);
}

ResidentImages::ResidentImages(const Split& split, const Normalization& normalization, c10::Device device)
    : images_(split.images.contiguous().to(device)), labels_(split.labels.contiguous().to(device)) {
  if (split.images.scalar_type() == at::kByte) lookup_ = lookup_tensor(normalization, device);
  copied_.record(device);
}

std::shared_ptr<ResidentPass> ResidentImages::open(const BatchPlan& plan, at::Tensor& picks) const {
  copied_.wait(device());
  const at::Tensor order = picks_of(images_.size(0), plan);
  if (picks.defined() && picks.device() == device() && picks.sizes() == order.sizes()) picks.copy_(order);
  else picks = order.to(device());
  return std::make_shared<ResidentPass>(ResidentBatches{images_, labels_, lookup_, picks, plan.batch_size}, plan);
}

std::shared_ptr<const ResidentImages> ResidentCopy::on(c10::Device device) {
  const ops::KernelBackend* backend = ops::kernel_backend_of(device.type());
  if (backend == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  if (images_ && images_->device() == device) return images_;
  const c10::OptionalDeviceGuard guard(device);
  if (static_cast<int64_t>(split_.images.nbytes()) > backend->free_memory() / kShareOfMemory) return nullptr;
  images_ = std::make_shared<ResidentImages>(split_, dataset_->normalization, device);
  return images_;
}

OpenPass open_on(c10::Device device, const TrainingImages& images, const BatchPlan& plan, at::Tensor& picks) {
  const auto copy = images.resident ? images.resident->on(device) : nullptr;
  if (!copy) return {images.set.open(plan)};
  const auto pass = copy->open(plan, picks);
  return {pass, pass.get()};
}

}  // namespace reviewkd
