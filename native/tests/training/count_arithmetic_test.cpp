// The multiply-adds of a network.

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/models/backbones/registry.h"
#include "core/models/init.h"
#include "core/ops/backend/allocator.h"
#include "core/training/profile_pair.h"

namespace reviewkd {
namespace {

TEST(CountArithmetic, EndsWhereMemoryEnds) {
  Network network;
  network.name = "resnet8";
  network.module = find_model("resnet8").build(10);
  network.module->initialize(init::generator(1));
  const auto multiply_adds = [&] { return count_arithmetic(network, {64, 64}).multiply_adds; };
  const int64_t expected = multiply_adds();
  EXPECT_GT(expected, 0);
  {
    // Of the image, and not of the first convolution's result, [1, 16, 64, 64].
    const MemoryLimit limit(64 * 64 * 4 * 10);
    try {
      multiply_adds();
      ADD_FAILURE() << "expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    }
  }
  EXPECT_EQ(multiply_adds(), expected);
}

}  // namespace
}  // namespace reviewkd
