#include "core/data/resident_images.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cstring>

#include "core/data/augmentation.h"
#include "core/data/batch_loader.h"
#include "core/ops/accelerators.h"

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
    *pick++ = {static_cast<int32_t>(index), static_cast<uint8_t>(crop.top), static_cast<uint8_t>(crop.left), static_cast<uint8_t>(crop.flip), 0};
  }
  return picks;
}

class ResidentPass : public BatchSource {
 public:
  ResidentPass(at::Tensor images, at::Tensor labels, at::Tensor lookup, const BatchPlan& plan)
      : images_(std::move(images)), labels_(std::move(labels)), lookup_(std::move(lookup)), plan_(plan),
        batches_(batch_count(images_.size(0), plan)), next_(plan.first_batch), picks_(picks_of(images_.size(0), plan).to(images_.device())) {}

  std::optional<Batch> next() override {
    if (next_ >= batches_) return std::nullopt;
    const c10::OptionalDeviceGuard device(images_.device());
    const int64_t first = next_++ * plan_.batch_size;
    const int64_t count = std::min(plan_.batch_size, images_.size(0) - first);
    const int64_t height = images_.size(2);
    const int64_t width = images_.size(3);
    Batch batch{at::empty({count, 3, height, width}, images_.options().dtype(at::kFloat), at::MemoryFormat::ChannelsLast),
                at::empty({count}, labels_.options())};
    ops::accelerator_of(images_.device().type())->gather_images({
        .images = images_.const_data_ptr(), .labels = labels_.const_data_ptr<int64_t>(), .lookup = ops::address<const float>(lookup_),
        .picks = reinterpret_cast<const ops::ImagePick*>(picks_.const_data_ptr()) + first,
        .count = count, .height = height, .width = width, .padding = kPadding,
        .out = batch.images.data_ptr<float>(), .out_labels = batch.labels.data_ptr<int64_t>(),
    });
    return batch;
  }

 private:
  at::Tensor images_, labels_, lookup_;
  BatchPlan plan_;
  int64_t batches_;
  int64_t next_;
  at::Tensor picks_;
};

}  // namespace

ResidentImages::ResidentImages(const Split& split, const Normalization& normalization, c10::Device device)
    : images_(split.images.contiguous().to(device)), labels_(split.labels.contiguous().to(device)) {
  if (split.images.scalar_type() == at::kByte) lookup_ = lookup_tensor(normalization, device);
}

std::shared_ptr<BatchSource> ResidentImages::open(const BatchPlan& plan) const {
  return std::make_shared<ResidentPass>(images_, labels_, lookup_, plan);
}

std::shared_ptr<const ResidentImages> ResidentCopy::on(c10::Device device, const Split& split, const Normalization& normalization) {
  const ops::Accelerator* accelerator = ops::accelerator_of(device.type());
  if (accelerator == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  if (images_ && images_->device() == device) return images_;
  const c10::OptionalDeviceGuard guard(device);
  if (static_cast<int64_t>(split.images.nbytes()) > accelerator->free_memory() / kShareOfMemory) return nullptr;
  images_ = std::make_shared<ResidentImages>(split, normalization, device);
  return images_;
}

std::shared_ptr<BatchSource> open_on(c10::Device device, const ImageSet& images, const BatchPlan& plan) {
  const auto resident = images.resident ? images.resident(device) : nullptr;
  return resident ? resident->open(plan) : images.open(plan);
}

}  // namespace reviewkd
