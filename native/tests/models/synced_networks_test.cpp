// Networks and fusions over several processes with the batch statistics of all of them.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/distillation/methods/review.h"
#include "core/models/backbones/registry.h"
#include "tests/support/errors.h"
#include "tests/support/processes.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::synced_networks {
namespace {

const std::vector<int64_t> kImages = {2, 1, 3};

using Tensors = std::vector<at::Tensor>;

at::Generator generator() { return at::make_generator<at::CPUGeneratorImpl>(5); }

/// Gradients of the parameters, then the buffers.
Tensors trained_values(const torch::nn::Module& module, const at::Tensor& output, const at::Tensor& upstream) {
  Tensors values = gradients_of(output, upstream, module.parameters());
  for (const auto& buffer : module.buffers()) values.push_back(buffer);
  return values;
}

/// step(rank): the trained_values of a process with its part of the batch, or without a rank of one with the whole
/// batch; the first `parameters` of them are gradients. Compares the sum of the processes' gradients with that of the
/// whole batch, and the statistics of each process.
template <typename Step>
void expect_whole_batch(const Step& step, size_t parameters, double tolerance) {
  const Tensors expected = step(std::nullopt);
  std::vector<Tensors> processes(kImages.size());
  in_processes(kImages.size(), [&](size_t rank, ThreadExchange& exchange) {
    const ops::StatisticsScope scope(&exchange);
    processes[rank] = step(std::optional(rank));
  });
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(i);
    if (i < parameters) {
      expect_close(processes[0][i] + processes[1][i] + processes[2][i], expected[i], tolerance, "gradient");
    } else {
      for (const auto& values : processes) expect_close(values[i], expected[i], tolerance, "statistic");
    }
  }
}

at::Tensor part_of(const at::Tensor& batch, std::optional<size_t> rank) {
  return rank ? slices_of(batch, kImages)[*rank] : batch;
}

class SyncedNetwork : public testing::TestWithParam<const char*> {};

TEST_P(SyncedNetwork, HasTheGradientsOfTheWholeBatchInDouble) {
  const at::Tensor images = noise_tensor({6, 3, 32, 32}, 1, at::kDouble),
                   upstream = noise_tensor({6, 5}, 2, at::kDouble);
  const auto step = [&](std::optional<size_t> rank) {
    const Backbone network = find_model(GetParam()).build(5);
    network->initialize(generator());
    network->to(at::kDouble);
    network->train();
    return trained_values(*network, network->forward(part_of(images, rank)).logits, part_of(upstream, rank));
  };
  // Roundings of 2⁻⁵³ grow through the layers, with gradients of up to some hundreds.
  expect_whole_batch(step, find_model(GetParam()).build(5)->parameters().size(), 1e-10);
}

INSTANTIATE_TEST_SUITE_P(Networks, SyncedNetwork,
                         testing::Values("resnet8", "wrn-16-1", "vgg8", "mobilenetv2-half", "shufflenetv1",
                                         "shufflenetv2", "resnet18", "mobilenetv1", "mobilenetv2"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(SyncedRegistry, ExchangesTheStatisticsOfEachNormalization) {
  const at::NoGradGuard no_grad;
  const at::Tensor images = noise_tensor({2, 3, 32, 32}, 1);
  for (const auto& entry : model_registry()) {
    const Backbone network = entry.build(5);
    network->initialize(generator());
    network->train();
    int norms = 0;
    for (const auto& module : network->modules()) norms += module->as<torch::nn::BatchNorm2d>() != nullptr ? 1 : 0;
    in_processes(1, [&](size_t, ThreadExchange& exchange) {
      const at::NoGradGuard no_grad_in_thread;
      const ops::StatisticsScope scope(&exchange);
      network->forward(images);
      EXPECT_EQ(exchange.calls, norms) << entry.name;
    });
    EXPECT_GT(norms, 0) << entry.name;
  }
}

class SyncedFusion : public testing::TestWithParam<at::ScalarType> {};

TEST_P(SyncedFusion, HasTheGradientsOfTheWholeBatch) {
  const at::ScalarType type = GetParam();
  const at::Tensor x = noise_tensor({6, 32, 8, 8}, 1, type), deeper = noise_tensor({6, 16, 4, 4}, 2, type),
                   upstream = noise_tensor({6, 48, 8, 8}, 3, type);
  const auto step = [&](std::optional<size_t> rank) {
    Abf abf(AbfOptions{.in_channels = 32, .mid_channels = 16, .out_channels = 48, .has_residual = true});
    abf->initialize(generator());
    abf->to(type);
    abf->train();
    const Fused fused = abf->forward(part_of(x, rank), part_of(deeper, rank), {8, 8});
    return trained_values(*abf, fused.output, part_of(upstream, rank));
  };
  // In float32: sums of 384 values that mostly cancel.
  expect_whole_batch(step, Abf(AbfOptions{32, 16, 48, true})->parameters().size(), type == at::kDouble ? 1e-12 : 2e-5);
}

TEST(SyncedReview, LeavesTheNumberOfValuesToItsNormalizations) {
  Network student, teacher;
  student.module = find_model("resnet8").build(5);
  teacher.module = find_model("resnet14").build(5);
  const Matching matching = match_stages(student, teacher);
  const BatchSpec batch{.images = 1,
                        .classes = 5,
                        .has_labels = false,
                        .student = student.module->feature_specs({32, 32}),
                        .teacher = teacher.module->feature_specs({32, 32})};
  EXPECT_EQ(code_of([&] { check_fusions(matching, batch); }), "BATCH_TOO_SMALL");
  in_processes(1, [&](size_t, ThreadExchange& exchange) {
    const ops::StatisticsScope scope(&exchange);
    EXPECT_NO_THROW(check_fusions(matching, batch));
  });
}

INSTANTIATE_TEST_SUITE_P(Types, SyncedFusion, testing::Values(at::kDouble, at::kFloat),
                         [](const auto& info) { return info.param == at::kDouble ? "float64" : "float32"; });

}  // namespace
}  // namespace reviewkd::tests::synced_networks
