#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/base/error.h"
#include "core/ops/backend/allocator.h"

namespace reviewkd {
namespace {

constexpr int64_t kMegabyte = 1 << 20;

at::Tensor bytes(int64_t count) { return at::empty({count}, at::kByte); }

ErrorCode code_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(MemoryLimit, CountsWhatIsHeldAtATime) {
  const at::Tensor before = bytes(8 * kMegabyte);
  const MemoryLimit limit(4 * kMegabyte);
  for (int i = 0; i < 10; ++i) bytes(3 * kMegabyte);
  const at::Tensor held = bytes(3 * kMegabyte);
  EXPECT_EQ(code_of([] { bytes(2 * kMegabyte); }), ErrorCode::kOutOfMemory);
  EXPECT_EQ(bytes(kMegabyte).numel(), kMegabyte);
}

TEST(MemoryLimit, EndsAndLeavesOtherThreadsAlone) {
  {
    const MemoryLimit limit(kMegabyte);
    std::thread([] { EXPECT_EQ(bytes(2 * kMegabyte).numel(), 2 * kMegabyte); }).join();
    const MemoryLimit inner(3 * kMegabyte);
    EXPECT_EQ(bytes(2 * kMegabyte).numel(), 2 * kMegabyte);
  }
  EXPECT_EQ(bytes(2 * kMegabyte).numel(), 2 * kMegabyte);
}

}  // namespace
}  // namespace reviewkd
