#include "core/data/batch_source.h"

#include <algorithm>

#include "core/base/error.h"

namespace reviewkd {

BatchPlan BatchPlan::from(const Options& options) {
  BatchPlan plan{
      .batch_size = options.integer("batchSize"),
      .seed = static_cast<uint64_t>(options.integer("seed")),
      .epoch = options.integer("epoch"),
      .shuffle = options.boolean("shuffle"),
      .augment = options.boolean("augment"),
  };
  if (options.has("dropLast") && options.boolean("dropLast")) plan.smallest_batch = plan.batch_size;
  options.read("firstBatch", plan.first_batch);
  if (options.has("share")) {
    const Options share = options.options("share");
    plan.share = {share.integer("rank"), share.integer("size")};
    // In a loop of its own, no process can take a step without images.
    plan.smallest_batch = std::max(plan.smallest_batch, plan.share.size);
  }
  return plan;
}

int64_t batch_count(int64_t size, const BatchPlan& plan) {
  if (plan.batch_size < 1)
    fail(ErrorCode::kInvalidArgument, "invalid batchSize: expected 1 or more, received ", plan.batch_size, ".");
  const int64_t rest = size % plan.batch_size;
  const int64_t batches = size / plan.batch_size + (rest > 0 && rest >= plan.smallest_batch ? 1 : 0);
  return std::min(batches, plan.max_batches.value_or(batches));
}

}  // namespace reviewkd
