// Gradients of several processes, in one bucket or in many that are exchanged during the backward pass.
#include "core/distributed/gradient_exchange.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <memory>

#include "tests/distributed/gloo_processes.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::gradient_exchange {
namespace {

constexpr int64_t kLayers = 6, kWidth = 8;
/// So that each layer has a bucket of its own.
constexpr ExchangeOptions kManyBuckets{.one_bucket_bytes = 0, .bucket_bytes = 1};

/// Layers one after the other; the last but one is used by chosen processes alone.
struct Chain {
  Chain() {
    for (int64_t i = 0; i < kLayers; ++i) {
      layers.emplace_back("layer" + std::to_string(i), leaf(noise_tensor({kWidth, kWidth}, i + 1), at::kDouble));
      statistics.push_back(noise_tensor({3}, 50 + i, at::kDouble));
    }
  }

  at::Tensor forward(at::Tensor x, bool skips) const {
    for (int64_t i = 0; i < kLayers; ++i) {
      if (skips && i == kLayers - 2) continue;
      x = at::tanh(at::mm(x, layers[static_cast<size_t>(i)].second));
    }
    return x.sum();
  }

  NamedTensors layers;
  std::vector<at::Tensor> statistics;
};

at::Tensor input_of(int64_t rank, int64_t part) { return noise_tensor({4, kWidth}, 7 * rank + part + 1, at::kDouble); }

struct Gradients {
  std::vector<at::Tensor> of_layers;  // undefined: none
  std::vector<at::Tensor> statistics;
};

/// The means of the statistics and the sums of the gradients, without any exchange.
Gradients expected_for(int64_t active, int64_t parts, const std::vector<bool>& skips) {
  Gradients sums;
  sums.of_layers.resize(kLayers);
  for (int64_t rank = 0; rank < active; ++rank) {
    Chain chain;
    for (int64_t part = 0; part < parts; ++part)
      chain.forward(input_of(rank, part), skips[static_cast<size_t>(rank)]).backward();
    for (size_t i = 0; i < kLayers; ++i) {
      const at::Tensor own = chain.layers[i].second.grad();
      at::Tensor& sum = sums.of_layers[i];
      const at::Tensor value = own.defined() ? own : at::zeros({kWidth, kWidth}, at::kDouble);
      sum = sum.defined() ? sum + value : value;
    }
    for (size_t i = 0; i < kLayers; ++i) {
      const at::Tensor own = chain.statistics[i] + static_cast<double>(rank);
      if (rank == 0) sums.statistics.push_back(own);
      else sums.statistics[i] = sums.statistics[i] + own;
    }
  }
  for (at::Tensor& sum : sums.statistics) sum = sum / static_cast<double>(active);
  return sums;
}

struct Case {
  int processes;
  int64_t active;
  ExchangeOptions options;
  std::vector<bool> skips;
  int64_t parts = 1;
  size_t buckets = 1;
};

/// Two steps, the second of which gives the same as the first.
void expect_sums(const Case& given) {
  const bool all_skip =
      std::all_of(given.skips.begin(), given.skips.begin() + given.active, [](bool skips) { return skips; });
  const Gradients expected = expected_for(given.active, given.parts, given.skips);
  over_gloo(given.processes, [&](Communicator& communicator) {
    const int64_t rank = communicator.rank();
    Chain chain;
    GradientExchange exchange(communicator, chain.layers, chain.statistics, given.options);
    EXPECT_EQ(exchange.buckets(), given.buckets);
    for (int step = 0; step < 2; ++step) {
      for (auto& [name, layer] : chain.layers) layer.mutable_grad() = at::Tensor();
      for (size_t i = 0; i < kLayers; ++i)
        chain.statistics[i].copy_(noise_tensor({3}, 50 + static_cast<int64_t>(i), at::kDouble) +
                                  static_cast<double>(rank));
      if (rank < given.active) {
        for (int64_t part = 0; part < given.parts; ++part) {
          const at::Tensor loss = chain.forward(input_of(rank, part), given.skips[static_cast<size_t>(rank)]);
          if (part + 1 == given.parts) exchange.begin(given.active);
          loss.backward();
        }
      } else {
        exchange.begin(given.active);
      }
      std::vector<bool> has_any(kLayers, true);
      has_any[kLayers - 2] = !all_skip;
      EXPECT_EQ(exchange.has_gradient()[kLayers - 2], rank < given.active && !given.skips[static_cast<size_t>(rank)]);
      exchange.launch_rest();
      exchange.end(has_any);
      for (size_t i = 0; i < kLayers; ++i) {
        const at::Tensor gradient = chain.layers[i].second.grad();
        if (!has_any[i]) {
          EXPECT_FALSE(gradient.defined());
          continue;
        }
        ASSERT_TRUE(gradient.defined());
        EXPECT_TRUE(at::equal(gradient, expected.of_layers[i])) << "layer " << i << ", rank " << rank;
        EXPECT_TRUE(at::equal(chain.statistics[i], expected.statistics[i])) << "statistics " << i;
      }
    }
  });
}

TEST(GradientExchange, SumsUpInOneBucket) { expect_sums({3, 3, {}, {false, false, false}}); }

TEST(GradientExchange, SumsUpInManyBucketsDuringTheBackwardPass) {
  expect_sums({3, 3, kManyBuckets, {false, false, false}, 1, kLayers});
}

TEST(GradientExchange, ExchangesTheSumOfSeveralBackwardPasses) {
  expect_sums({2, 2, kManyBuckets, {false, false}, 3, kLayers});
}

TEST(GradientExchange, TakesZeroForGradientsThatSomeProcessesLack) {
  expect_sums({3, 3, {}, {false, true, false}});
  expect_sums({3, 3, kManyBuckets, {true, false, true}, 1, kLayers});
}

TEST(GradientExchange, LeavesParametersWithoutGradientThatNoneUses) {
  expect_sums({2, 2, {}, {true, true}});
  expect_sums({2, 2, kManyBuckets, {true, true}, 1, kLayers});
}

TEST(GradientExchange, LeavesProcessesWithoutImagesOut) {
  expect_sums({4, 2, {}, {false, true, false, false}});
  expect_sums({4, 2, kManyBuckets, {false, false, false, false}, 1, kLayers});
}

TEST(GradientExchange, LeavesTheHooksOfANewerOneOfTheSameNetwork) {
  over_gloo(1, [](Communicator& communicator) {
    const Chain chain;
    const auto count_hooks = [&] {
      return std::count_if(chain.layers.begin(), chain.layers.end(), [](const auto& layer) {
        return torch::autograd::impl::post_acc_grad_hooks(layer.second) != nullptr;
      });
    };
    auto older = std::make_unique<GradientExchange>(communicator, chain.layers, chain.statistics, kManyBuckets);
    auto newer = std::make_unique<GradientExchange>(communicator, chain.layers, chain.statistics, kManyBuckets);
    older.reset();
    EXPECT_EQ(count_hooks(), kLayers);
    newer.reset();
    EXPECT_EQ(count_hooks(), 0);
  });
}

TEST(GradientExchange, HasNothingToAddInOneProcess) { expect_sums({1, 1, kManyBuckets, {false}, 1, kLayers}); }

}  // namespace
}  // namespace reviewkd::tests::gradient_exchange
