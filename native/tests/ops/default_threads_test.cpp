// The default number of threads of an operation.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/ops/threads/default_threads.h"

namespace reviewkd::tests {
namespace {

using ops::threads_for;
using ops::ThreadsOrigin;

void expect_threads(const ops::DefaultThreads& found, int count, ThreadsOrigin origin) {
  EXPECT_EQ(found.count, count);
  EXPECT_EQ(ops::name_of(found.origin), ops::name_of(origin));
}

TEST(DefaultThreads, AreTheCores) {
  expect_threads(threads_for({.cores = 8}), 8, ThreadsOrigin::kCores);
  expect_threads(threads_for({.cores = 8, .machine = 16, .scheduled = 16, .quota = 12.5}), 8, ThreadsOrigin::kCores);
  expect_threads(threads_for({.cores = 2, .machine = 2, .scheduled = 2}), 2, ThreadsOrigin::kCores);
  expect_threads(threads_for({.cores = 0}), 1, ThreadsOrigin::kCores);
}

TEST(DefaultThreads, AreBoundedByTheProcessorsOfTheProcess) {
  expect_threads(threads_for({.cores = 8, .machine = 8, .scheduled = 3}), 3, ThreadsOrigin::kAffinity);
  expect_threads(threads_for({.cores = 8, .machine = 8, .scheduled = 3, .quota = 7}), 3, ThreadsOrigin::kAffinity);
  // Cores that were counted among those of the process.
  expect_threads(threads_for({.cores = 3, .machine = 8, .scheduled = 3}), 3, ThreadsOrigin::kAffinity);
}

TEST(DefaultThreads, AreBoundedByAQuotaRoundedUp) {
  expect_threads(threads_for({.cores = 8, .machine = 8, .scheduled = 8, .quota = 2}), 2, ThreadsOrigin::kQuota);
  expect_threads(threads_for({.cores = 8, .machine = 8, .scheduled = 8, .quota = 1.2}), 2, ThreadsOrigin::kQuota);
  expect_threads(threads_for({.cores = 8, .machine = 8, .scheduled = 4, .quota = 0.25}), 1, ThreadsOrigin::kQuota);
  expect_threads(threads_for({.cores = 2, .machine = 2, .scheduled = 2, .quota = 1.5}), 2, ThreadsOrigin::kCores);
}

TEST(DefaultThreads, AreTheFirstNumberOfAList) {
  EXPECT_EQ(ops::thread_count_in("4"), 4);
  EXPECT_EQ(ops::thread_count_in(" 4,2"), 4);
  EXPECT_EQ(ops::thread_count_in("+3 "), 3);
  EXPECT_EQ(ops::thread_count_in("100000"), 1024);
  EXPECT_EQ(ops::thread_count_in("99999999999999999999"), 1024);
}

TEST(DefaultThreads, AreNotTakenFromOtherTexts) {
  EXPECT_EQ(ops::thread_count_in(nullptr), 0);
  for (const auto* text : {"", "0", "-2", "four", "2x", ",2", "1.5", "-99999999999999999999"})
    EXPECT_EQ(ops::thread_count_in(text), 0) << text;
}

TEST(DefaultThreads, AreAPartOfTheCoresWhileOthersTrainHere) {
  const ops::DefaultThreads all = ops::default_threads();
  if (all.origin != ThreadsOrigin::kCores && all.origin != ThreadsOrigin::kQuota) GTEST_SKIP() << "their own";
  {
    const ops::CoresShare two(2), three(3);
    EXPECT_EQ(ops::default_threads().count, std::max(1, all.count / 3));
  }
  EXPECT_EQ(ops::default_threads().count, all.count);
}

}  // namespace
}  // namespace reviewkd::tests
