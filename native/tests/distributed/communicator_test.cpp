// Collective operations over Gloo, and sums whose bits are those of one process.
#include "core/distributed/communicator.h"

#include <c10/util/ScopeExit.h>
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "tests/distributed/gloo_processes.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::communicator {
namespace {

/// Of very different sizes, so that another order of the sum would round otherwise.
at::Tensor values_of(int64_t rank, int64_t count, at::ScalarType type) {
  const at::Tensor exponents = noise_tensor({count}, 100 + rank, at::kFloat, 12);
  return (noise_tensor({count}, rank + 1) * at::exp(exponents)).to(type);
}

struct SumCase {
  int64_t processes, active;
  at::ScalarType type;
};

class SumInOrder : public testing::TestWithParam<SumCase> {};

TEST_P(SumInOrder, HasTheBitsOfAddingOneAfterTheOther) {
  const auto [processes, active, type] = GetParam();
  const int64_t count = 3 * processes;
  at::Tensor expected = values_of(0, count, type);
  for (int64_t rank = 1; rank < active; ++rank) expected.add_(values_of(rank, count, type));
  over_gloo(static_cast<int>(processes), [&](Communicator& communicator) {
    // That of the inactive ones does not count.
    const at::Tensor values = values_of(communicator.rank(), count, type);
    sum_in_order(communicator, values, active);
    EXPECT_TRUE(at::equal(values, expected)) << "rank " << communicator.rank();
  });
}

std::vector<SumCase> sum_cases() {
  std::vector<SumCase> cases;
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (int64_t processes = 1; processes <= 5; ++processes) cases.push_back({processes, processes, type});
    cases.push_back({4, 1, type});
    cases.push_back({5, 3, type});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Processes, SumInOrder, testing::ValuesIn(sum_cases()));

TEST(SumInOrder, DependsOnTheOrder) {
  // Otherwise the tests above would show nothing.
  at::Tensor rising = values_of(0, 15, at::kFloat), falling = values_of(4, 15, at::kFloat);
  for (int64_t rank = 1; rank < 5; ++rank) rising.add_(values_of(rank, 15, at::kFloat));
  for (int64_t rank = 3; rank >= 0; --rank) falling.add_(values_of(rank, 15, at::kFloat));
  EXPECT_FALSE(at::equal(rising, falling));
}

TEST(Communicator, GathersTextsOfAnyLength) {
  over_gloo(3, [](Communicator& communicator) {
    const auto text_of = [](size_t rank) { return std::string(7 * rank, static_cast<char>(rank)); };
    const auto all = gathered_texts(communicator, text_of(static_cast<size_t>(communicator.rank())));
    ASSERT_EQ(all.size(), 3);
    for (size_t other = 0; other < 3; ++other) EXPECT_EQ(all[other], text_of(other));
  });
}

TEST(Communicator, GathersRowsInTheOrderOfTheRanks) {
  over_gloo(4, [](Communicator& communicator) {
    // A view that is not contiguous.
    const at::Tensor own =
        at::arange(12, at::kDouble).slice(0, 0, 12, 2) + 10.0 * static_cast<double>(communicator.rank());
    const at::Tensor all = gathered(communicator, own.view({6, 1}).expand({6, 2}).select(1, 0));
    ASSERT_EQ(all.sizes(), (std::vector<int64_t>{4, 6}));
    for (int64_t rank = 0; rank < 4; ++rank)
      EXPECT_EQ(all[rank][1].item<double>(), 10.0 * static_cast<double>(rank) + 2);
  });
}

TEST(Communicator, BroadcastsWhatOneProcessHas) {
  over_gloo(3, [](Communicator& communicator) {
    const at::Tensor values = at::full({5}, communicator.rank(), at::kLong);
    communicator.broadcast(values, 2);
    EXPECT_TRUE(at::equal(values, at::full({5}, 2, at::kLong)));
  });
}

TEST(Communicator, IsAloneWithoutOthers) {
  const auto alone = solo_communicator();
  const at::Tensor values = at::arange(4, at::kFloat);
  sum_in_order(*alone, values, 1);
  EXPECT_TRUE(at::equal(values, at::arange(4, at::kFloat)));
  EXPECT_EQ(gathered(*alone, values).sizes(), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(gathered_texts(*alone, "own"), std::vector<std::string>{"own"});
}

TEST(Communicator, StopsWaitingOnceItIsAbandoned) {
  const auto is_abandoned = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> has_stopped{false};
  const std::string code = code_of([&] {
    over_gloo(
        2,
        [&](Communicator& communicator) {
          if (communicator.rank() == 0) {
            const auto stopped = c10::make_scope_exit([&] {
              has_stopped = true;
              has_stopped.notify_all();
            });
            gathered(communicator, at::ones({1}));
            return;
          }
          // Is there, and never takes part.
          *is_abandoned = true;
          has_stopped.wait(false);
        },
        is_abandoned);
  });
  EXPECT_EQ(code, "ABORTED");
}

}  // namespace
}  // namespace reviewkd::tests::communicator
