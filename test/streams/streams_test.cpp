// The scopes of native/core/ops/backend/device_streams.h on a table of functions that count calls, and fail on
// request.
#include <ATen/core/Tensor.h>

#include <cstdio>
#include <stdexcept>

#include "../kernels/claims.h"
#include "core/ops/backend/device_streams.h"

namespace {

using namespace reviewkd;

struct Counts {
  int enter = 0, leave = 0, begin_side = 0, end_side = 0, join = 0;
  bool operator==(const Counts&) const = default;
};

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

/// The counts that `work` produces.
template <typename Work>
Counts counted(const Work& work) {
  counts = {};
  work();
  return counts;
}

template <typename Work>
bool throws(const Work& work) {
  try {
    work();
  } catch (const std::runtime_error&) {
    return true;
  }
  return false;
}

void side_work() {
  ops::SideWork work;
  work.run([] {});
  work.join();
}

void test_scopes(const ops::DeviceStreams& streams) {
  check(counted([&] { const ops::StreamsScope scope(&streams); }) == Counts{.enter = 1, .leave = 1}, "a scope enters and leaves");
  check(counted([&] { const ops::StreamsScope scope(nullptr); }) == Counts{}, "no streams, nothing to enter");
  check(counted([&] {
    const ops::StreamsScope outer(&streams);
    const ops::StreamsScope inner(&streams);
  }) == Counts{.enter = 1, .leave = 1}, "streams are entered once");
  check(counted([&] {
    const ops::StreamsScope scope(&streams);
    side_work();
  }) == Counts{.enter = 1, .leave = 1, .begin_side = 1, .end_side = 1, .join = 1}, "side work inside of a scope");
  check(counted(side_work) == Counts{}, "side work outside of a scope");
}

void test_enter_that_throws(const ops::DeviceStreams& streams) {
  fails_to_enter = true;
  check(counted([&] { check(throws([&] { const ops::StreamsScope scope(&streams); }), "enter throws"); }) == Counts{}, "what was not entered is not left");
  fails_to_enter = false;
  check(counted(side_work) == Counts{}, "the thread does not take them for entered");
  check(counted([&] { const ops::StreamsScope scope(&streams); }) == Counts{.enter = 1, .leave = 1}, "the next scope enters");
  check(counted(side_work) == Counts{}, "and the thread is outside after that");
}

void test_exceptions_before_the_join(const ops::DeviceStreams& streams) {
  check(counted([&] {
    check(throws([&] {
      const ops::StreamsScope scope(&streams);
      ops::SideWork work;
      work.run([] {});
      throw std::runtime_error("between");
    }), "work throws");
  }) == Counts{.enter = 1, .leave = 1, .begin_side = 1, .end_side = 1, .join = 1}, "an exception joins");
  fails_to_begin = true;
  check(counted([&] {
    const ops::StreamsScope scope(&streams);
    check(throws(side_work), "begin_side throws");
  }) == Counts{.enter = 1, .leave = 1}, "what has not begun is not joined");
  fails_to_begin = false;
}

}  // namespace

int main() {
  const ops::KernelBackend table = counting_table();
  const ops::DeviceStreams streams(table);
  test_scopes(streams);
  test_enter_that_throws(streams);
  test_exceptions_before_the_join(streams);
  std::printf("%d claims hold\n", claims);
}
