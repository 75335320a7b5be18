// Random numbers as a function of a key and a counter.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>

#include "core/base/random.h"

namespace reviewkd::tests::random {
namespace {

TEST(RandomStream, IsSplitMix64) {
  // The first outputs of the reference implementation (https://prng.di.unimi.it/splitmix64.c) with the state 1234567.
  RandomStream stream(1234567);
  EXPECT_EQ(stream.next(), 6457827717110365317u);
  EXPECT_EQ(stream.next(), 3203168211198807973u);
  EXPECT_EQ(stream.next(), 9817491932198370423u);
  EXPECT_EQ(stream.next(), 4593380528125082431u);
  EXPECT_EQ(stream.next(), 16408922859458223821u);
}

TEST(RandomStream, RepeatsItselfFromTheSameKey) {
  RandomStream first(42), second(42), other(43);
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = first.next();
    ASSERT_EQ(value, second.next());
    ASSERT_NE(value, other.next());
  }
}

TEST(RandomStream, SpreadsNumbersBelowABoundEvenly) {
  constexpr int kBound = 10, kDraws = 100'000;
  std::array<int, kBound> counts{};
  RandomStream stream(7);
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t value = stream.below(kBound);
    ASSERT_LT(value, static_cast<uint64_t>(kBound));
    ++counts[value];
  }
  // Each count has a standard deviation of √(n p (1 - p)) ≈ 95; five of them.
  for (const int count : counts) EXPECT_NEAR(count, kDraws / kBound, 475);
  EXPECT_EQ(stream.below(1), 0u);
}

TEST(RandomStream, DrawsUniformNumbersInTheirInterval) {
  constexpr int kDraws = 100'000;
  RandomStream stream(8);
  double sum = 0, squares = 0, lowest = 1, highest = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.uniform();
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
    sum += value;
    squares += value * value;
  }
  EXPECT_GE(lowest, 0);
  EXPECT_LT(highest, 1);
  EXPECT_LT(lowest, 1e-3);
  EXPECT_GT(highest, 1 - 1e-3);
  // Mean 1/2 ± 5 · √(1/12 / n), variance 1/12.
  EXPECT_NEAR(sum / kDraws, 0.5, 5e-3);
  EXPECT_NEAR(squares / kDraws - std::pow(sum / kDraws, 2), 1.0 / 12, 2e-3);
  for (int i = 0; i < 1000; ++i) {
    const double value = stream.uniform(-3, 5);
    ASSERT_GE(value, -3);
    ASSERT_LT(value, 5);
  }
}

TEST(RandomKey, DependsOnEveryPartAndTheirOrder) {
  const std::set<uint64_t> keys = {key_of({}),     key_of({0}),    key_of({1}),      key_of({0, 0}),
                                   key_of({0, 1}), key_of({1, 0}), key_of({1, 0, 0})};
  EXPECT_EQ(keys.size(), 7u);
  EXPECT_EQ(key_of({3, 4}), key_of({3, 4}));
}

TEST(RandomKey, ChangesHalfOfItsBitsWithOneBitOfAPart) {
  double changed = 0;
  for (int bit = 0; bit < 64; ++bit)
    changed += __builtin_popcountll(key_of({5, 9}) ^ key_of({5, 9 ^ (uint64_t{1} << bit)}));
  EXPECT_NEAR(changed / 64, 32, 2.5);
}

TEST(RandomKey, IsKnownAtCompileTime) {
  static_assert(key_of({1, 2}) != key_of({2, 1}));
  static_assert(mix64(0) == 0);
  SUCCEED();
}

}  // namespace
}  // namespace reviewkd::tests::random
