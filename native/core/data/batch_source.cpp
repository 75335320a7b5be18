#include "core/data/batch_source.h"

#include "core/error.h"

namespace reviewkd {

int64_t batch_count(int64_t size, const BatchPlan& plan) {
  if (plan.batch_size < 1) fail(ErrorCode::kInvalidArgument, "invalid batch size: expected 1 or more, received ", plan.batch_size, ". Choose a positive one.");
  const int64_t rest = size % plan.batch_size;
  return size / plan.batch_size + (rest > 0 && rest >= plan.smallest_batch ? 1 : 0);
}

}  // namespace reviewkd
