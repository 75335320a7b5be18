#include "core/models/inference.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>

#include <mutex>

#include "core/ops/backend/dispatch.h"

namespace reviewkd {
namespace {

/// Bytes of the first map of the images that a core processes at a time: two or three such maps are in use at once.
constexpr int64_t kBytesAtATime = int64_t{512} << 10;

/// Number of images that a core processes at a time, 0 if not even one fits its cache. The first layers' maps have as
/// many values as 16 or more channels of the image.
int64_t images_at_a_time(const at::Tensor& images) {
  const int64_t bytes = 16 * images.size(2) * images.size(3) * static_cast<int64_t>(sizeof(float));
  return kBytesAtATime / bytes;
}

at::Tensor like(const at::Tensor& part, int64_t images) {
  std::vector<int64_t> sizes = part.sizes().vec();
  sizes.front() = images;
  return at::empty(sizes, part.options(),
                   part.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

/// Allocates the outputs for all images, given `part`, the output for some. Tensors that share memory in `part` share
/// it here.
BackboneOutput room_for(const BackboneOutput& part, int64_t images) {
  BackboneOutput output;
  for (const auto& feature : part.features) {
    const at::Tensor before = like(feature.before, images);
    output.features.push_back({before, feature.after.is_same(feature.before) ? before : like(feature.after, images)});
  }
  output.logits = like(part.logits, images);
  return output;
}

void copy_into(const BackboneOutput& output, const BackboneOutput& part, int64_t first) {
  const auto copy = [first](const at::Tensor& to, const at::Tensor& from) {
    to.narrow(0, first, from.size(0)).copy_(from);
  };
  for (size_t i = 0; i < part.features.size(); ++i) {
    copy(output.features[i].before, part.features[i].before);
    if (!part.features[i].after.is_same(part.features[i].before))
      copy(output.features[i].after, part.features[i].after);
  }
  copy(output.logits, part.logits);
}

}  // namespace

BackboneOutput infer(BackboneImpl& network, const ImageBatch& batch) {
  const at::Tensor& images = batch.pixels;
  const int64_t count = images.size(0);
  const int64_t step = images_at_a_time(images);
  if (ops::takes_reference_path() || !images.is_cpu() || images.scalar_type() != at::kFloat || network.is_training() ||
      at::GradMode::is_enabled() || step == 0 || count <= step || !batch.sizes.empty()) {
    return network.forward_batch(batch);
  }
  BackboneOutput output;
  std::mutex mutex;
  const at::ThreadLocalState state;  // the caller's gradient mode and precision
  ops::parallel_for_ranges(count, [&](int64_t begin, int64_t end, int64_t) {
    const at::ThreadLocalStateGuard guard(state);
    const ops::PartsScope parts;
    for (int64_t first = begin; first < end; first += step) {
      const BackboneOutput part = network.forward(images.narrow(0, first, std::min(step, end - first)));
      {
        const std::lock_guard lock(mutex);
        if (!output.logits.defined()) output = room_for(part, count);
      }
      copy_into(output, part, first);
    }
  });
  return output;
}

}  // namespace reviewkd
