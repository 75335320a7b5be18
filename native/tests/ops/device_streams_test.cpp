// The scopes of native/core/ops/backend/device_streams.h on a table of functions that count calls, and fail where a
// test wants it.
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "core/ops/backend/device_streams.h"

namespace reviewkd::tests::device_streams {
namespace {

struct Counts {
  int enter = 0, leave = 0, begin_side = 0, end_side = 0, join = 0;
  bool operator==(const Counts&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Counts& counts) {
  return out << "enter " << counts.enter << ", leave " << counts.leave << ", begin_side " << counts.begin_side
             << ", end_side " << counts.end_side << ", join " << counts.join;
}

Counts counts;
bool fails_to_enter = false;
bool fails_to_begin = false;

ops::KernelBackend counting_table() {
  ops::KernelBackend table = {};
  table.create_context = []() -> void* { return &counts; };
  table.destroy_context = [](void*) {};
  table.enter = [](void*) {
    if (fails_to_enter) throw std::runtime_error("enter");
    ++counts.enter;
  };
  table.leave = [](void*) { ++counts.leave; };
  table.begin_side = [](void*) {
    if (fails_to_begin) throw std::runtime_error("begin_side");
    ++counts.begin_side;
  };
  table.end_side = [](void*) { ++counts.end_side; };
  table.join = [](void*) { ++counts.join; };
  return table;
}

void side_work() {
  ops::SideWork work;
  work.run([] {});
  work.join();
}

class DeviceStreams : public testing::Test {
 protected:
  void SetUp() override { fails_to_enter = fails_to_begin = false; }

  /// The calls that `work` leads to.
  template <typename Work>
  static Counts counted(const Work& work) {
    counts = {};
    work();
    return counts;
  }

  static constexpr Counts kEntered{.enter = 1, .leave = 1};
  static constexpr Counts kJoined{.enter = 1, .leave = 1, .begin_side = 1, .end_side = 1, .join = 1};

  const ops::KernelBackend table_ = counting_table();
  const ops::DeviceStreams streams_{table_};
};

TEST_F(DeviceStreams, AreEnteredAndLeftOnceByNestedScopes) {
  EXPECT_EQ(counted([&] { const ops::StreamsScope scope(&streams_); }), kEntered);
  EXPECT_EQ(counted([&] { const ops::StreamsScope scope(nullptr); }), Counts{});
  EXPECT_EQ(counted([&] {
              const ops::StreamsScope outer(&streams_);
              const ops::StreamsScope inner(&streams_);
            }),
            kEntered);
}

TEST_F(DeviceStreams, TakeSideWorkInsideOfAScopeAlone) {
  EXPECT_EQ(counted([&] {
              const ops::StreamsScope scope(&streams_);
              side_work();
            }),
            kJoined);
  EXPECT_EQ(counted(side_work), Counts{});
}

TEST_F(DeviceStreams, AreNotLeftIfTheyCouldNotBeEntered) {
  fails_to_enter = true;
  EXPECT_EQ(counted([&] { EXPECT_THROW(const ops::StreamsScope scope(&streams_), std::runtime_error); }), Counts{});
  fails_to_enter = false;
  // The thread does not count as inside, and the next scope enters.
  EXPECT_EQ(counted(side_work), Counts{});
  EXPECT_EQ(counted([&] { const ops::StreamsScope scope(&streams_); }), kEntered);
  EXPECT_EQ(counted(side_work), Counts{});
}

TEST_F(DeviceStreams, AreJoinedAndLeftByAnException) {
  const auto interrupted = [&] {
    const ops::StreamsScope scope(&streams_);
    ops::SideWork work;
    work.run([] {});
    throw std::runtime_error("between");
  };
  EXPECT_EQ(counted([&] { EXPECT_THROW(interrupted(), std::runtime_error); }), kJoined);
}

TEST_F(DeviceStreams, AreNotJoinedIfSideWorkCouldNotBegin) {
  fails_to_begin = true;
  EXPECT_EQ(counted([&] {
              const ops::StreamsScope scope(&streams_);
              EXPECT_THROW(side_work(), std::runtime_error);
            }),
            kEntered);
}

}  // namespace
}  // namespace reviewkd::tests::device_streams
