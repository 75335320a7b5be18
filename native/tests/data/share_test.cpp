// The parts of batches that processes have: together each image once, in the order of one process.
#include "core/data/share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/data/batch_loader.h"
#include "core/data/queues/image_queue.h"
#include "core/training/state/training.h"

namespace reviewkd::tests::share {
namespace {

TEST(Share, CoversEachImageOnceInPartsOfMicroBatches) {
  for (int64_t size = 1; size <= 7; ++size) {
    for (int64_t images = 0; images <= 23; ++images) {
      std::vector<int64_t> lengths;
      int64_t next = 0;
      for (int64_t rank = 0; rank < size; ++rank) {
        const Share share{rank, size};
        const auto [begin, length] = share.of(images);
        EXPECT_EQ(length > 0, rank < share.active(images));
        if (length == 0) continue;
        EXPECT_EQ(begin, next);
        next += length;
        lengths.push_back(length);
      }
      EXPECT_EQ(next, images);
      if (images > 0) {
        EXPECT_EQ(lengths, parts_of({images}, size)) << images << " images of " << size << " processes";
      }
    }
  }
}

/// Images of one pixel, whose value is their number.
std::shared_ptr<Dataset> numbered_images(int64_t count) {
  auto data = std::make_shared<Dataset>();
  data->kind = "numbered";
  data->num_classes = count;
  data->normalization = {{0, 0, 0}, {1.0 / 255, 1.0 / 255, 1.0 / 255}};
  data->train.images = at::arange(count, at::kByte).view({count, 1, 1, 1}).repeat({1, 3, 1, 1});
  data->train.labels = at::arange(count, at::kLong);
  return data;
}

/// The labels of each batch; of each image, its pixel is its label.
std::vector<std::vector<int64_t>> batches_of(BatchSource& source) {
  std::vector<std::vector<int64_t>> batches;
  while (const auto batch = source.next()) {
    const at::Tensor labels = batch->targets.labels();
    EXPECT_TRUE(at::equal(batch->images.select(1, 0).flatten().round().to(at::kLong), labels));
    batches.emplace_back(labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + labels.numel());
  }
  return batches;
}

constexpr int64_t kBatch = 16;
/// Last batches of 3 images, of fewer than there are processes, and of 15: some of 6 processes have more of these than of
/// a whole batch.
constexpr std::array<int64_t, 2> kImages{35, 47};
constexpr int64_t kMostProcesses = 6;

BatchPlan plan_of(const Share& share, Sharding sharding, int64_t first_batch) {
  return {.batch_size = kBatch,
          .seed = 3,
          .epoch = 1,
          .shuffle = true,
          .first_batch = first_batch,
          .share = share,
          .sharding = sharding};
}

std::vector<std::vector<int64_t>> loaded(int64_t images, const Share& share, Sharding sharding, int64_t first_batch) {
  const auto data = numbered_images(images);
  BatchLoader loader(data, data->train, plan_of(share, sharding, first_batch));
  return batches_of(loader);
}

/// Puts this process's images one after the other, as a stream does.
std::vector<std::vector<int64_t>> queued(int64_t images, const Share& share, Sharding sharding, int64_t first_batch) {
  const auto data = numbered_images(images);
  const BatchPlan plan = plan_of(share, sharding, first_batch);
  const std::vector<int64_t> order = data_order(images, plan.seed, plan.epoch, true);
  ImageQueueOptions options{.height = 1, .width = 1, .num_classes = images, .normalization = data->normalization};
  ImageQueue queue(options);
  queue.open(plan, images);
  for (int64_t batch = first_batch; batch * kBatch < images; ++batch) {
    const auto [begin, length] = plan.own(batch, plan.images_of(batch, images));
    for (int64_t i = 0; i < length; ++i) {
      const int64_t label = order[static_cast<size_t>(batch * kBatch + begin + i)];
      const at::Tensor pixels = data->train.images[label].contiguous();
      queue.put({.values = pixels.const_data_ptr(), .labels = &label, .count = 1});
    }
  }
  queue.finish();
  return batches_of(queue);
}

using Load = std::vector<std::vector<int64_t>> (*)(int64_t, const Share&, Sharding, int64_t);

class Shares : public testing::TestWithParam<std::pair<const char*, Load>> {};

TEST_P(Shares, JoinToTheBatchesOfOneProcess) {
  const Load load = GetParam().second;
  for (const int64_t images : kImages) {
    const auto whole = load(images, {}, Sharding::kWithinBatches, 0);
    ASSERT_EQ(whole.size(), 3);
    EXPECT_EQ(whole.back().size(), images % kBatch);
    for (const int64_t first : {0, 1}) {
      for (int64_t size = 1; size <= kMostProcesses; ++size) {
        std::vector<std::vector<int64_t>> joined(whole.size());
        for (int64_t rank = 0; rank < size; ++rank) {
          const auto parts = load(images, {rank, size}, Sharding::kWithinBatches, first);
          ASSERT_LE(first + parts.size(), whole.size()) << "rank " << rank << " of " << size << " processes";
          for (size_t i = 0; i < parts.size(); ++i) {
            auto& batch = joined[static_cast<size_t>(first) + i];
            batch.insert(batch.end(), parts[i].begin(), parts[i].end());
          }
        }
        for (size_t batch = static_cast<size_t>(first); batch < whole.size(); ++batch)
          EXPECT_EQ(joined[batch], whole[batch]) << "batch " << batch << " of " << size << " processes";
      }
    }
  }
}

TEST_P(Shares, HaveWholeBatchesInTurn) {
  const Load load = GetParam().second;
  for (const int64_t images : kImages) {
    const auto whole = load(images, {}, Sharding::kWholeBatches, 0);
    for (int64_t size = 1; size <= kMostProcesses; ++size) {
      for (int64_t rank = 0; rank < size; ++rank) {
        std::vector<std::vector<int64_t>> expected;
        for (size_t batch = static_cast<size_t>(rank); batch < whole.size(); batch += static_cast<size_t>(size))
          expected.push_back(whole[batch]);
        EXPECT_EQ(load(images, {rank, size}, Sharding::kWholeBatches, 0), expected) << rank << " of " << size;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sources, Shares,
                         testing::Values(std::pair<const char*, Load>{"BatchLoader", loaded},
                                         std::pair<const char*, Load>{"ImageQueue", queued}),
                         [](const auto& info) { return info.param.first; });

}  // namespace
}  // namespace reviewkd::tests::share
