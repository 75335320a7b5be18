// The device's kernels on the host, compared with the same formulas in double; those that no suite of the addon reaches
// by itself.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "cuda/run_on_host.h"
#include "cuda/run_warps_on_host.h"

namespace reviewkd::cuda {
namespace {

template <typename Kernel>
void launch(const Kernel& kernel) {
  run_on_host(kernel);
}

template <typename Kernel>
void launch_warps(const Kernel& kernel) {
  run_warps_on_host(kernel);
}

template <typename Kernel>
bool supports_warps() {
  return true;
}

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

namespace {

using namespace reviewkd;

/// As provided by plugins: no entry of the table is missing.
const ops::KernelBackend kernels = cuda::kernel_table();

using cuda::Bfloat16;
using cuda::from_float;
using cuda::to_float;

bool near(double value, double wanted, double bound) {
  return std::abs(value - wanted) <= bound * std::max(1.0, std::abs(wanted));
}

/// Values between -2 and 2 with a long period.
float noise(int i) { return static_cast<float>((static_cast<uint32_t>(i) * 2654435761u >> 8) % 4001) / 1000.0f - 2.0f; }

template <typename T>
constexpr ops::ValueType type_of = sizeof(T) == 4 ? ops::ValueType::kFloat : ops::ValueType::kBfloat16;

template <typename T>
std::vector<T> noises(size_t count, int seed) {
  std::vector<T> values;
  for (size_t i = 0; i < count; ++i) values.push_back(from_float<T>(noise(static_cast<int>(i) + 7919 * seed)));
  return values;
}

template <typename T>
void cross_entropy_is_that_of_doubles(int64_t rows, int64_t classes) {
  auto logits = noises<T>(static_cast<size_t>(rows * classes), 1);
  std::vector<int64_t> labels;
  for (int64_t row = 0; row < rows; ++row) labels.push_back(row * 3 % classes);
  // The first of two greatest values counts.
  if (classes > 2) logits[1] = logits[2] = from_float<T>(3.0f);
  labels[0] = classes > 2 ? 1 : 0;
  ops::CrossEntropy call{};
  call.type = type_of<T>;
  call.rows = rows;
  call.classes = classes;
  call.logits = logits.data();
  call.labels = labels.data();
  std::vector<float> gradient(logits.size()), scratch(static_cast<size_t>(kernels.cross_entropy_scratch(call)));
  float loss = 0, correct = 0;
  call.gradient = gradient.data();
  call.scratch = scratch.data();
  call.loss = &loss;
  call.correct = &correct;
  kernels.cross_entropy(call);
  double wanted_loss = 0, wanted_correct = 0, worst = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const auto logit = [&](int64_t c) {
      return static_cast<double>(to_float(logits[static_cast<size_t>(row * classes + c)]));
    };
    double sum = 0;
    int64_t best = 0;
    for (int64_t c = 0; c < classes; ++c) {
      sum += std::exp(logit(c));
      if (logit(c) > logit(best)) best = c;
    }
    const int64_t label = labels[static_cast<size_t>(row)];
    wanted_loss += (std::log(sum) - logit(label)) / static_cast<double>(rows);
    wanted_correct += best == label ? 1 : 0;
    for (int64_t c = 0; c < classes; ++c) {
      const double wanted = (std::exp(logit(c)) / sum - (c == label ? 1 : 0)) / static_cast<double>(rows);
      worst = std::max(worst, std::abs(static_cast<double>(gradient[static_cast<size_t>(row * classes + c)]) - wanted));
    }
  }
  // Sums of up to a thousand floats, and float's exponential.
  EXPECT_TRUE(near(loss, wanted_loss, 2e-6)) << "a cross entropy";
  EXPECT_TRUE(correct == static_cast<float>(wanted_correct)) << "the number of rows classified correctly";
  EXPECT_TRUE(worst < 1e-6) << "the gradient of a cross entropy";

  const float factor = 0.25f;
  std::vector<T> scaled(logits.size());
  kernels.scaled_copy({.type = type_of<T>,
                       .count = rows * classes,
                       .values = gradient.data(),
                       .factor = &factor,
                       .out = scaled.data()});
  bool equal = true;
  for (size_t i = 0; i < scaled.size(); ++i)
    equal &= to_float(scaled[i]) == to_float(from_float<T>(gradient[i] * factor));
  EXPECT_TRUE(equal) << "a scaled copy";
}

TEST(DeviceReports, GiveNoLossForALogitThatIsNan) {
  std::vector<float> logits = {1, std::numeric_limits<float>::quiet_NaN(), 0}, gradient(3), scratch(2);
  const int64_t label = 0;
  float loss = 0, correct = 0;
  kernels.cross_entropy(
      {ops::ValueType::kFloat, 1, 3, logits.data(), &label, gradient.data(), scratch.data(), &loss, &correct});
  EXPECT_TRUE(std::isnan(loss)) << "a loss without a value";
}

TEST(DeviceReports, SumScalarsWithTheirWeights) {
  const float terms[3] = {1.5f, -2.0f, 0.125f};
  double sum = 0;
  ops::ScalarSum call{};
  for (int i = 0; i < 3; ++i) {
    call.terms[i] = terms + i;
    call.weights[i] = 0.1 * (i + 1);
  }
  call.count = 3;
  call.sum = &sum;
  kernels.scalar_sum(call);
  EXPECT_TRUE(near(sum, 0.15 - 0.4 + 0.0375, 1e-15)) << "a weighted sum";
  const double upstream = 2.0;
  float gradient[3] = {};
  ops::ScalarSumGradient back{};
  for (int i = 0; i < 3; ++i) back.weights[i] = call.weights[i];
  back.count = 3;
  back.gradient = &upstream;
  back.out = gradient;
  kernels.scalar_sum_gradient(back);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(gradient[i] == static_cast<float>(2.0 * call.weights[i])) << "the gradient of a weighted sum";
}

/// Two values, of which the first is a float and the second a double.
struct Report {
  float first = 0, correct = 0, finite = 1;
  double second = 0, norm = 0, step = 0;
  double values[4] = {}, sums[4] = {}, first_bad[5] = {};

  void take(double share, double images, bool first_part, bool last_part) {
    ops::StepReport call{};
    call.scalars[0] = {&first, false};
    call.scalars[1] = {&second, true};
    call.count = 2;
    call.first_part = first_part;
    call.last_part = last_part;
    call.share = share;
    call.images = images;
    call.correct = &correct;
    call.norm = last_part ? &norm : nullptr;
    call.values = values;
    call.sums = sums;
    call.first_bad = first_bad;
    call.finite = &finite;
    call.step = &step;
    kernels.step_report(call);
  }
};

TEST(DeviceReports, SumUpAndStopAtTheFirstBadStep) {
  Report report;
  report.first = 2.0f;
  report.second = 4.0;
  report.correct = 3.0f;
  report.take(0.25, 8, true, false);
  EXPECT_TRUE(report.sums[0] == 0) << "a part of a batch is no step";
  report.first = 4.0f;
  report.second = 8.0;
  report.correct = 2.0f;
  report.norm = 5.0;
  report.take(0.75, 8, false, true);
  const double values[4] = {5, 5, 0.25 * 2 + 0.75 * 4, 0.25 * 4 + 0.75 * 8};
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(report.values[i] == values[i]) << "the means of a batch in two parts";
  const double sums[4] = {8, 5, 8 * values[2], 8 * values[3]};
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(report.sums[i] == sums[i]) << "the sums of an epoch";

  report.step = 1;
  report.second = std::numeric_limits<double>::infinity();
  report.take(1, 8, true, true);
  EXPECT_TRUE(report.finite == 0) << "a step whose loss is not finite";
  EXPECT_TRUE(report.first_bad[4] == 1 && std::isinf(report.first_bad[3]) && report.first_bad[2] == 4)
      << "what the first such step gave";
  report.step = 2;
  report.second = 1;
  report.first = 7;
  report.take(1, 8, true, true);
  EXPECT_TRUE(report.finite == 0 && report.first_bad[4] == 1 && report.first_bad[2] == 4) << "steps behind it";
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(report.sums[i] == sums[i]) << "sums without such steps";
}

TEST(DeviceReports, EndEachStepOnce) {
  std::vector<int64_t> counters(1100);
  std::vector<ops::StepEnd::Counter> ends;
  for (size_t i = 0; i < counters.size(); ++i) ends.push_back({&counters[i], static_cast<int64_t>(i % 3)});
  int64_t position = 5;
  double step = 17;
  kernels.step_end({ends.data(), static_cast<int64_t>(ends.size()), &position, &step});
  bool equal = true;
  for (size_t i = 0; i < counters.size(); ++i) equal &= counters[i] == static_cast<int64_t>(i % 3);
  EXPECT_TRUE(equal) << "counters of batches, more than one launch takes";
  EXPECT_TRUE(position == 6 && step == 18) << "a schedule that moves on once";
  kernels.step_end({nullptr, 0, &position, &step});
  EXPECT_TRUE(position == 7 && step == 19) << "a step without counters";
}

template <typename Gradient>
void the_optimizer_steps(bool nesterov) {
  constexpr size_t kTensors = 500;  // more than fit in one launch
  struct Tensor {
    std::vector<float> parameter, buffer, old_parameter, old_buffer;
    std::vector<Gradient> gradient;
    std::vector<Bfloat16> copy;
  };
  std::vector<Tensor> tensors(kTensors);
  std::vector<ops::SgdTensor> call;
  for (size_t i = 0; i < kTensors; ++i) {
    const size_t count = i == 3 ? 3001 : 1 + i % 5;
    Tensor& tensor = tensors[i];
    tensor.parameter = tensor.old_parameter = noises<float>(count, 1 + static_cast<int>(i));
    tensor.buffer = tensor.old_buffer = noises<float>(count, 1001 + static_cast<int>(i));
    tensor.gradient = noises<Gradient>(count, 2001 + static_cast<int>(i));
    tensor.copy.resize(count);
    call.push_back({.parameter = tensor.parameter.data(),
                    .gradient = tensor.gradient.data(),
                    .momentum_buffer = tensor.buffer.data(),
                    .bfloat16_copy = i % 2 == 0 ? tensor.copy.data() : nullptr,
                    .count = static_cast<int64_t>(count),
                    .rate_scale = i % 3 == 0 ? 2.0f : 1.0f,
                    .decay = 5e-4f,
                    .gradient_type = type_of<Gradient>});
  }
  const float rates[3] = {1e9f, 0.1f, 1e9f};
  const int64_t position = 1;
  float finite = 0;
  const auto step = [&] {
    kernels.sgd({call.data(), static_cast<int64_t>(call.size()), rates, &position, &finite, 0.9f, nesterov});
  };
  step();
  EXPECT_TRUE(tensors[3].parameter == tensors[3].old_parameter && tensors[3].buffer == tensors[3].old_buffer)
      << "parameters behind a loss that is not finite";
  finite = 1;
  step();
  double worst = 0;
  bool rounded = true;
  for (size_t i = 0; i < kTensors; ++i) {
    const Tensor& tensor = tensors[i];
    for (size_t k = 0; k < tensor.parameter.size(); ++k) {
      const double g =
          static_cast<double>(to_float(tensor.gradient[k])) + 5e-4 * static_cast<double>(tensor.old_parameter[k]);
      const double buffer = 0.9 * static_cast<double>(tensor.old_buffer[k]) + g;
      const double wanted = static_cast<double>(tensor.old_parameter[k]) -
                            0.1 * (i % 3 == 0 ? 2 : 1) * (nesterov ? g + 0.9 * buffer : buffer);
      worst = std::max({worst, std::abs(static_cast<double>(tensor.parameter[k]) - wanted),
                        std::abs(static_cast<double>(tensor.buffer[k]) - buffer)});
      rounded &= tensor.copy[k].bits == (i % 2 == 0 ? from_float<Bfloat16>(tensor.parameter[k]).bits : 0);
    }
  }
  // A few roundings of values below 8.
  EXPECT_TRUE(worst < 2e-6) << "a step of the optimizer";
  EXPECT_TRUE(rounded) << "parameters rounded to bfloat16";
}

template <typename T>
void normalization_gives_both_sides_of_its_activation(int64_t pixels, int64_t channels) {
  const size_t count = static_cast<size_t>(pixels * channels);
  const auto x = noises<T>(count, 1), residual = noises<T>(count, 2);
  const auto shift = noises<float>(static_cast<size_t>(channels), 3);
  std::vector<T> out(count), active(count), alone(count);
  ops::Normalization call{
      {type_of<T>, pixels, channels}, x.data(), nullptr, shift.data(), residual.data(), out.data(), active.data()};
  kernels.normalize(call);
  call.out = nullptr;
  call.active = alone.data();
  kernels.normalize(call);
  bool equal = true;
  for (size_t i = 0; i < count; ++i) {
    const float sum = to_float(x[i]) + shift[i % static_cast<size_t>(channels)] + to_float(residual[i]);
    equal &= to_float(out[i]) == to_float(from_float<T>(sum)) &&
             to_float(active[i]) == to_float(from_float<T>(std::max(sum, 0.0f)));
    equal &= to_float(alone[i]) == to_float(active[i]);
  }
  EXPECT_TRUE(equal) << "a sum and its ReLU, without a scale";
}

/// The gradient of a normalization under ReLU whose result had two readers.
template <typename T>
void gradients_of_two_readers_are_summed(int64_t pixels, int64_t channels, bool keeps_masked, bool has_active) {
  const size_t count = static_cast<size_t>(pixels * channels);
  const size_t width = static_cast<size_t>(channels);
  const auto first = noises<T>(count, 1), second = noises<T>(count, 2), active = noises<T>(count, 3),
             x = noises<T>(count, 4);
  const auto mean = noises<float>(width, 5), gamma = noises<float>(width, 6);
  std::vector<float> inverse(width, 0.5f), factors(3 * width), gamma_gradient(width), beta_gradient(width);
  ops::BatchNormGradient call{};
  call.shape = {type_of<T>, pixels, channels};
  std::vector<float> scratch(static_cast<size_t>(kernels.batch_norm_scratch(call.shape)));
  std::vector<T> masked(count), x_gradient(count);
  call.gradient = first.data();
  call.other_gradient = second.data();
  call.active = has_active ? active.data() : nullptr;
  call.x = x.data();
  call.mean = mean.data();
  call.inverse = inverse.data();
  call.gamma = gamma.data();
  call.masked = keeps_masked ? masked.data() : nullptr;
  call.scratch = scratch.data();
  call.factors = factors.data();
  call.gamma_gradient = gamma_gradient.data();
  call.beta_gradient = beta_gradient.data();
  call.x_gradient = x_gradient.data();
  kernels.batch_norm_gradient(call);

  const auto g = [&](size_t i) {
    const float sum = to_float(from_float<T>(to_float(first[i]) + to_float(second[i])));
    return has_active && !(to_float(active[i]) > 0) ? 0.0 : static_cast<double>(sum);
  };
  std::vector<double> sums(width), products(width);
  for (size_t i = 0; i < count; ++i) {
    sums[i % width] += g(i);
    products[i % width] += g(i) * (static_cast<double>(to_float(x[i])) - static_cast<double>(mean[i % width])) * 0.5;
  }
  double worst = 0;
  bool masks = true;
  // The values of a thread, and those of a block, are summed in float.
  const double bound = 1e-6 * std::sqrt(static_cast<double>(pixels)) + 1e-6;
  for (size_t c = 0; c < width; ++c) {
    EXPECT_TRUE(near(beta_gradient[c], sums[c], bound) && near(gamma_gradient[c], products[c], bound))
        << "the gradients of gamma and beta";
  }
  for (size_t i = 0; i < count; ++i) {
    const size_t c = i % width;
    const double normalized = (static_cast<double>(to_float(x[i])) - static_cast<double>(mean[c])) * 0.5;
    const double wanted =
        static_cast<double>(gamma[c]) * 0.5 *
        (g(i) - sums[c] / static_cast<double>(pixels) - normalized * products[c] / static_cast<double>(pixels));
    worst = std::max(worst,
                     std::abs(static_cast<double>(to_float(x_gradient[i])) - wanted) / std::max(1.0, std::abs(wanted)));
    masks &= !keeps_masked || static_cast<double>(to_float(masked[i])) == g(i);
  }
  // bfloat16 rounds the result at 2⁻⁹.
  EXPECT_TRUE(worst < (sizeof(T) == 4 ? 1e-5 : 4e-3)) << "the gradient of what was normalized";
  EXPECT_TRUE(masks) << "the gradient of what was added";
}

constexpr std::pair<int64_t, int64_t> kSizes[] = {{1, 8}, {37, 16}, {5000, 24}, {300, 136}};

template <typename T>
class DeviceKernels : public testing::Test {};

using ValueTypes = testing::Types<float, Bfloat16>;
TYPED_TEST_SUITE(DeviceKernels, ValueTypes);

TYPED_TEST(DeviceKernels, TakeTheCrossEntropyOfDoubles) {
  for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{1, 2}, {5, 7}, {128, 100}, {67, 1000}}) {
    cross_entropy_is_that_of_doubles<TypeParam>(rows, classes);
  }
}

TYPED_TEST(DeviceKernels, StepParametersAsInDoubleUnlessTheLossIsNotFinite) {
  for (const bool nesterov : {false, true}) the_optimizer_steps<TypeParam>(nesterov);
}

TYPED_TEST(DeviceKernels, GiveBothSidesOfTheActivation) {
  for (const auto& [pixels, channels] : kSizes)
    normalization_gives_both_sides_of_its_activation<TypeParam>(pixels, channels);
}

TYPED_TEST(DeviceKernels, SumTheGradientsOfTwoReaders) {
  for (const auto& [pixels, channels] : kSizes) {
    for (const bool keeps_masked : {false, true}) {
      for (const bool has_active : {false, true})
        gradients_of_two_readers_are_summed<TypeParam>(pixels, channels, keeps_masked, has_active);
    }
  }
}

}  // namespace
