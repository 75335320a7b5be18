// Batch normalizations over several processes, which are threads here: together they compute the values and gradients
// of one process with the whole batch.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/conv_norm/conv_norm.h"
#include "core/ops/conv_norm/normalization.h"
#include "core/training/state/precision.h"
#include "tests/support/errors.h"
#include "tests/support/processes.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::synced_norm {
namespace {

struct LayerCase {
  const char* name;
  std::vector<int64_t> images;  // of each process
  int64_t height, width, in_channels, out_channels;
  int64_t kernel = 3, stride = 1, groups = 1;  // kernel 0: no convolution
  bool has_residual = false, relu = false, has_bias = false;

  bool convolves() const { return kernel > 0; }
  int64_t all_images() const { return std::reduce(images.begin(), images.end()); }
  std::vector<int64_t> out_sizes() const {
    return {all_images(), out_channels, (height - 1) / stride + 1, (width - 1) / stride + 1};
  }
};

std::ostream& operator<<(std::ostream& out, const LayerCase& layer) { return out << layer.name; }

const LayerCase kLayers[] = {
    {"unequal_slices", {2, 3}, 8, 8, 16, 16},
    {"three_processes", {1, 4, 2}, 7, 9, 16, 32, 3, 2},
    {"one_process", {3}, 8, 8, 16, 16},
    {"residual_and_relu", {3, 1}, 8, 6, 32, 16, 1, 1, 1, true, true},
    {"relu", {2, 2, 1}, 8, 8, 16, 24, 3, 1, 1, false, true},
    {"depthwise", {1, 3}, 7, 6, 24, 24, 3, 1, 24},
    {"bias_of_the_convolution", {2, 1}, 6, 6, 16, 16, 3, 1, 1, true, false, true},
    {"maps_alone", {2, 1}, 6, 5, 21, 21, 0},
    {"maps_alone_with_residual_and_relu", {1, 2, 3}, 4, 4, 16, 16, 0, 1, 1, true, true},
    {"maps_in_several_parts", {1, 2}, 80, 64, 24, 24, 0, 1, 1, false, true},
    {"single_pixels", {1, 2, 1}, 1, 1, 16, 16, 1},
};

/// The parameters of a layer in one type, and its batch.
struct Layer {
  Layer(const LayerCase& shape, at::ScalarType type) : shape(shape) {
    const double factor =
        std::sqrt(1.5 * static_cast<double>(shape.groups) /
                  static_cast<double>(shape.in_channels * std::max<int64_t>(1, shape.kernel * shape.kernel)));
    // Channels whose means are far from 0 and differ between images.
    x = (noise_tensor({shape.all_images(), shape.in_channels, shape.height, shape.width}, 1) +
         noise_tensor({shape.all_images(), shape.in_channels, 1, 1}, 2))
            .to(type);
    residual = noise_tensor(shape.out_sizes(), 5, type);
    upstream = noise_tensor(shape.out_sizes(), 8, type);
    const std::vector<int64_t> channels = {shape.out_channels};
    if (shape.convolves()) {
      parameters.weight =
          leaf(noise_tensor({shape.out_channels, shape.in_channels / shape.groups, shape.kernel, shape.kernel}, 3,
                            at::kFloat, factor),
               type);
      if (shape.has_bias) parameters.bias = leaf(noise_tensor(channels, 9), type);
    }
    parameters.gamma = leaf(noise_tensor(channels, 4, at::kFloat, 0.2) + 1, type);
    parameters.beta = leaf(noise_tensor(channels, 6, at::kFloat, 0.2), type);
    parameters.running_mean = noise_tensor(channels, 7, type, 0.1);
    parameters.running_variance = noise_tensor(channels, 10, type, 0.2) + 1;
    parameters.stride = shape.stride;
    parameters.padding = shape.kernel / 2;
    parameters.groups = shape.groups;
    parameters.epsilon = 1e-5;
    parameters.momentum = 0.1;
    parameters.training = true;
  }

  at::Tensor forward(const at::Tensor& images, const at::Tensor& added) {
    if (!shape.convolves()) return ops::batch_norm(images, parameters, added, shape.relu);
    return ops::conv_norm(images, parameters, folded, added, shape.relu);
  }

  const LayerCase& shape;
  at::Tensor x, residual, upstream;
  ops::ConvNormParameters parameters;
  ops::FoldedWeights folded;
};

/// The results of a training step; undefined: not computed.
struct Step {
  at::Tensor output, x, residual;                    // of the batch: the output and gradients
  at::Tensor weight, gamma, beta;                    // gradients
  at::Tensor running_mean, running_variance;
  int gathers = 0;
};

/// Forward in a scope with the exchange, if any; backward after it.
Step step_of(Layer& layer, const at::Tensor& x, const at::Tensor& residual, const at::Tensor& upstream,
             ThreadExchange* exchange) {
  Step step;
  const at::Tensor images = leaf(x, x.scalar_type());
  std::vector<at::Tensor> inputs = {images, layer.parameters.gamma, layer.parameters.beta};
  at::Tensor added;
  if (layer.shape.convolves()) inputs.push_back(layer.parameters.weight);
  if (layer.shape.has_residual) inputs.push_back(added = leaf(residual, residual.scalar_type()));
  {
    const ops::StatisticsScope scope(exchange);
    step.output = layer.forward(images, added);
  }
  const auto gradients = gradients_of(step.output, upstream, inputs);
  step.x = gradients[0];
  step.gamma = gradients[1];
  step.beta = gradients[2];
  if (layer.shape.convolves()) step.weight = gradients[3];
  if (layer.shape.has_residual) step.residual = gradients.back();
  step.running_mean = layer.parameters.running_mean;
  step.running_variance = layer.parameters.running_variance;
  if (exchange != nullptr) step.gathers = exchange->calls;
  return step;
}

struct Task {
  const LayerCase& shape;
  at::ScalarType type;
  at::Tensor upstream = Layer(shape, at::kDouble).upstream;
  Precision precision = Precision::kFloat32;
  bool fused = true;
};

Step whole_step(const Task& task) {
  Layer layer(task.shape, task.type);
  return step_of(layer, layer.x, layer.residual, task.upstream.to(task.type), nullptr);
}

/// Each process has a copy of the layer and its slice of the batch.
std::vector<Step> synced_steps(const Task& task) {
  const size_t processes = task.shape.images.size();
  std::vector<Step> steps(processes);
  in_processes(processes, [&](size_t rank, ThreadExchange& exchange) {
    const PrecisionScope precision(task.precision, at::kCPU);
    const ops::ReferenceScope path(!task.fused);
    Layer layer(task.shape, task.type);
    const auto slice = [&](const at::Tensor& batch) { return slices_of(batch, task.shape.images)[rank]; };
    steps[rank] = step_of(layer, slice(layer.x), slice(layer.residual), slice(task.upstream.to(task.type)), &exchange);
  });
  return steps;
}

void expect_step_of_the_whole_batch(const std::vector<Step>& steps, const Step& expected, double tolerance) {
  const auto expect_each = [&](at::Tensor Step::* part, const char* name, const auto& join) {
    if (!(expected.*part).defined()) return;
    std::vector<at::Tensor> parts;
    for (const auto& step : steps) parts.push_back(step.*part);
    expect_close(join(parts), expected.*part, tolerance, name);
  };
  const auto joined = [](const std::vector<at::Tensor>& parts) { return at::cat(parts); };
  const auto added = [](const std::vector<at::Tensor>& parts) { return at::stack(parts).sum(0); };
  expect_each(&Step::output, "output", joined);
  expect_each(&Step::x, "gradient of x", joined);
  expect_each(&Step::residual, "gradient of residual", joined);
  expect_each(&Step::weight, "gradient of weight", added);
  expect_each(&Step::gamma, "gradient of gamma", added);
  expect_each(&Step::beta, "gradient of beta", added);
  for (const auto& step : steps) {
    expect_close(step.running_mean, expected.running_mean, tolerance, "running mean");
    expect_close(step.running_variance, expected.running_variance, tolerance, "running variance");
    EXPECT_TRUE(step.running_mean.equal(steps[0].running_mean));
    EXPECT_TRUE(step.running_variance.equal(steps[0].running_variance));
    EXPECT_EQ(step.gathers, 2) << "once forward, once backward";
  }
}

/// The upstream gradient without the outputs that another rounding may bring to the other side of the ReLU.
at::Tensor clear_upstream(const LayerCase& shape, double margin) {
  const at::Tensor upstream = Layer(shape, at::kDouble).upstream;
  if (!shape.relu) return upstream;
  LayerCase without_relu = shape;
  without_relu.relu = false;
  return upstream * (whole_step({without_relu, at::kDouble}).output.abs() > margin);
}

class SyncedNorm : public testing::TestWithParam<LayerCase> {};

TEST_P(SyncedNorm, StepsAsOneProcessWithTheWholeBatchInDouble) {
  const Task task{GetParam(), at::kDouble};
  expect_step_of_the_whole_batch(synced_steps(task), whole_step(task), 1e-12);
}

TEST_P(SyncedNorm, StepsAsOneProcessOnTheFastPath) {
  // As conv_norm_test.cpp has it: sums of some thousand products.
  const at::Tensor upstream = clear_upstream(GetParam(), 1e-4);
  const auto steps = synced_steps({GetParam(), at::kFloat, upstream});
  expect_step_of_the_whole_batch(steps, whole_step({GetParam(), at::kDouble, upstream}), 5e-6);
}

TEST_P(SyncedNorm, StepsAsOneProcessOnTheReferencePathInFloat32) {
  const at::Tensor upstream = clear_upstream(GetParam(), 1e-4);
  const auto steps = synced_steps({GetParam(), at::kFloat, upstream, Precision::kFloat32, /*fused=*/false});
  expect_step_of_the_whole_batch(steps, whole_step({GetParam(), at::kDouble, upstream}), 5e-6);
}

TEST_P(SyncedNorm, StepsAsOneProcessInBfloat16ToTheDigitsThatItHas) {
  const at::Tensor upstream = clear_upstream(GetParam(), 0.05);
  const auto steps = synced_steps({GetParam(), at::kFloat, upstream, Precision::kBfloat16});
  // 2⁻⁸ for each rounding of a map: inputs, convolved, normalized, and their gradients.
  expect_step_of_the_whole_batch(steps, whole_step({GetParam(), at::kDouble, upstream}), 4 * 0x1p-8);
}

INSTANTIATE_TEST_SUITE_P(Layers, SyncedNorm, testing::ValuesIn(kLayers),
                         [](const auto& info) { return std::string(info.param.name); });

const LayerCase kSmall{"small", {2, 2}, 8, 8, 16, 16, 3, 1, 1, true, true};

TEST(SyncedNormLayer, ChangesNothingWithoutAnExchange) {
  Layer plain(kSmall, at::kFloat), scoped(kSmall, at::kFloat);
  const Step expected = step_of(plain, plain.x, plain.residual, plain.upstream, nullptr);
  const ops::StatisticsScope scope(nullptr);
  EXPECT_EQ(ops::statistics_exchange(), nullptr);
  const Step step = step_of(scoped, scoped.x, scoped.residual, scoped.upstream, nullptr);
  EXPECT_TRUE(step.output.equal(expected.output));
  EXPECT_TRUE(step.x.equal(expected.x));
  EXPECT_TRUE(step.gamma.equal(expected.gamma));
  EXPECT_TRUE(step.running_variance.equal(expected.running_variance));
}

TEST(SyncedNormLayer, EndsWithItsScope) {
  SharedRows shared(1);
  ThreadExchange outer(shared, 0), inner(shared, 0);
  {
    const ops::StatisticsScope scope(&outer);
    {
      const ops::StatisticsScope nested(&inner);
      EXPECT_EQ(ops::statistics_exchange(), &inner);
      const ops::StatisticsScope without_effect(nullptr);
      EXPECT_EQ(ops::statistics_exchange(), &inner);
    }
    EXPECT_EQ(ops::statistics_exchange(), &outer);
    std::thread([] { EXPECT_EQ(ops::statistics_exchange(), nullptr); }).join();
  }
  EXPECT_EQ(ops::statistics_exchange(), nullptr);
  Layer layer(kSmall, at::kFloat);
  layer.forward(layer.x, {});
  EXPECT_EQ(outer.calls + inner.calls, 0);
}

TEST(SyncedNormLayer, ExchangesNothingForRunningStatistics) {
  SharedRows shared(1);
  ThreadExchange exchange(shared, 0);
  const ops::StatisticsScope scope(&exchange);
  for (const auto type : {at::kFloat, at::kDouble}) {
    Layer layer(kSmall, type);
    layer.parameters.training = false;
    const at::Tensor x = leaf(layer.x, type);
    const auto gradients = gradients_of(layer.forward(x, {}), layer.upstream, {x, layer.parameters.gamma});
    EXPECT_TRUE(gradients[1].defined());
  }
  EXPECT_EQ(exchange.calls, 0);
}

TEST(SyncedNormLayer, RunsBackwardOnAnotherThread) {
  const Task task{kSmall, at::kFloat, clear_upstream(kSmall, 1e-4)};
  const Step expected = whole_step({kSmall, at::kDouble, task.upstream});
  std::vector<at::Tensor> gradients(2);
  in_processes(2, [&](size_t rank, ThreadExchange& exchange) {
    Layer layer(kSmall, at::kFloat);
    const at::Tensor x = leaf(slices_of(layer.x, kSmall.images)[rank], at::kFloat);
    const at::Tensor residual = slices_of(layer.residual, kSmall.images)[rank];
    at::Tensor output;
    {
      const ops::StatisticsScope scope(&exchange);
      output = layer.forward(x, residual);
    }
    const at::Tensor upstream = slices_of(task.upstream, kSmall.images)[rank];
    std::thread([&] { gradients[rank] = gradients_of(output, upstream, {x})[0]; }).join();
  });
  expect_close(at::cat(gradients), expected.x, 5e-6, "gradient of x");
}

TEST(SyncedNormLayer, LeavesMapsToBeRecomputedOnTheFastPath) {
  if (ops::kernel_backend_of(c10::kCPU) != nullptr) GTEST_SKIP() << "the host emulation computes maps as devices do";
  in_processes(2, [](size_t, ThreadExchange& exchange) {
    const ops::StatisticsScope scope(&exchange);
    Layer layer(kSmall, at::kFloat);
    const ops::LazyTensor output = ops::conv_norm(layer.x, layer.parameters, layer.folded, {}, true);
    EXPECT_TRUE(output.recomputation().has_value());
  });
}

const LayerCase kOneValue{"one_value", {1, 1}, 1, 1, 16, 16, 1};

TEST(SyncedNormLayer, NormalizesOverASingleValueOfEachProcess) {
  const Task task{kOneValue, at::kDouble};
  expect_step_of_the_whole_batch(synced_steps(task), whole_step(task), 1e-12);
}

TEST(SyncedNormLayer, CountsAProcessWithoutImagesAsNone) {
  // The owner of the exchange answers for such a process with zeros.
  const Task task{kSmall, at::kDouble};
  std::vector<at::Tensor> outputs(2);
  in_processes(3, [&](size_t rank, ThreadExchange& exchange) {
    if (rank == 1) {
      exchange.gather(at::zeros({1 + 2 * kSmall.out_channels}, at::kDouble));
      return;
    }
    const ops::StatisticsScope scope(&exchange);
    Layer layer(kSmall, at::kDouble);
    const auto slice = [&](const at::Tensor& batch) { return slices_of(batch, kSmall.images)[rank / 2]; };
    outputs[rank / 2] = layer.forward(slice(layer.x), slice(layer.residual));
  });
  expect_close(at::cat(outputs), whole_step(task).output, 1e-12, "output");
}

TEST(SyncedNormLayer, RefusesASingleValueOfAllProcesses) {
  const LayerCase alone{"alone", {1}, 1, 1, 16, 16, 1};
  for (const bool fused : {true, false}) {
    SharedRows shared(1);
    ThreadExchange exchange(shared, 0);
    const ops::StatisticsScope scope(&exchange);
    const ops::ReferenceScope path(!fused);
    Layer layer(alone, at::kFloat);
    const at::Tensor before = layer.parameters.running_mean.clone();
    EXPECT_EQ(code_of([&] { layer.forward(layer.x, {}); }), "BATCH_TOO_SMALL");
    EXPECT_TRUE(layer.parameters.running_mean.equal(before));
  }
}

TEST(SyncedNormLayer, RefusesStatisticsOfAnotherLength) {
  class Wrong : public ops::StatisticsExchange {
   public:
    at::Tensor gather(const at::Tensor& values) override { return values; }
  } wrong;
  const ops::StatisticsScope scope(&wrong);
  Layer layer(kSmall, at::kFloat);
  const Error error = error_of([&] { layer.forward(layer.x, {}); });
  EXPECT_EQ(error.code(), ErrorCode::kInternal);
  EXPECT_NE(std::string(error.what()).find("expected [processes, 33]"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace reviewkd::tests::synced_norm
