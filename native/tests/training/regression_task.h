#pragma once
// A second task, of which the core knows nothing: images are mapped to vectors, the squared error is minimized, and the
// lowest mean error is the best.

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/models/init.h"
#include "core/tasks/task.h"
#include "core/training/session.h"

namespace reviewkd::tests {

constexpr int64_t kOutputs = 2;
constexpr int64_t kSide = 4;

/// Without batch statistics, so that the gradient of a batch is the mean over its images.
class TinyNetworkImpl : public BackboneImpl {
 public:
  TinyNetworkImpl() {
    conv_ = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 4, 3).padding(1)));
    linear_ = register_module("linear", torch::nn::Linear(4, kOutputs));
  }

  BackboneOutput forward(const at::Tensor& images) override {
    const at::Tensor before = conv_->forward(images);    // [N, 4, H, W]
    const at::Tensor after = at::relu(before);           // [N, 4, H, W]
    const at::Tensor pooled = after.mean({2, 3});        // [N, 4]
    return {{{before, after}}, linear_->forward(pooled)};  // [N, kOutputs]
  }

  std::vector<FeatureSpec> feature_specs(ImageSize image) const override {
    return {{"conv", 4, image.height, image.width}};
  }

  void initialize(at::Generator generator) override {
    for (auto& parameter : parameters()) init::normal(parameter, 0.2, generator);
  }

  int64_t num_classes() const override { return kOutputs; }

 private:
  torch::nn::Conv2d conv_ = nullptr;
  torch::nn::Linear linear_ = nullptr;
};

inline std::shared_ptr<Network> tiny_network(uint64_t seed, at::ScalarType dtype = at::kDouble) {
  auto network = std::make_shared<Network>();
  network->name = "tiny";
  network->module = std::make_shared<TinyNetworkImpl>();
  network->module->initialize(init::generator(seed));
  init::place(*network->module, at::kCPU, dtype);
  return network;
}

/// Sums up errors over a whole set, and the target's largest value, which no mean of batches would give.
class ErrorAccumulator : public MetricAccumulator {
 public:
  void add(const TaskInput& input) override {
    const at::Tensor target = input.targets.values("vector").to(input.output.logits.scalar_type());
    error_ += (input.output.logits - target).abs().sum().item<double>();
    largest_ = std::max(largest_, target.abs().max().item<double>());
    samples_ += target.size(0);
  }

  Evaluation compute() const override {
    const double mean = error_ / static_cast<double>(samples_ * kOutputs);
    return {{{"meanError", mean}, {"relativeError", mean / largest_}}, samples_, {}};
  }

 private:
  double error_ = 0;
  double largest_ = 0;
  int64_t samples_ = 0;
};

class RegressionTask : public Task {
 public:
  const TaskInfo& info() const override {
    static const TaskInfo info = {
        .name = "regression",
        .losses = {{.name = "squaredError", .label = "mse", .weight = 0.5},
                   {.name = "largestError", .label = "largest", .weight = 0}},
        .metrics =
            {{.name = "meanError", .label = "error", .title = "mean error", .unit = "", .higher_is_better = false},
             {.name = "relativeError",
              .label = "relative",
              .title = "relative error",
              .unit = "",
              .higher_is_better = false}},
        .primary_metric = "meanError",
        .training_metric = TrainingMetric{.name = "meanError", .factor = 1.0 / kOutputs},
    };
    return info;
  }

  void check_data(const BackboneImpl&, const ImageSet&) const override {}

  void check_targets(const BackboneImpl& network, const ImageBatch& images, const Targets& targets) const override {
    const at::Tensor& vector = targets.values("vector");
    if (vector.dim() == 2 && vector.size(0) == images.count() && vector.size(1) == network.num_classes()) return;
    fail(ErrorCode::kShapeMismatch, "invalid vectors: expected [", images.count(), ", ", network.num_classes(),
         "], received ", vector.sizes(), ".");
  }

  TaskLosses losses(const TaskInput& input) const override {
    const at::Tensor target = input.targets.values("vector").to(input.output.logits.scalar_type());
    const at::Tensor difference = input.output.logits - target;
    return {{difference.pow(2).mean(), difference.detach().abs().max()},
            [error = difference.detach().abs()] { return error.sum(); }};
  }

  std::unique_ptr<MetricAccumulator> new_accumulator(const Network&, const ImageSet&, bool) const override {
    return std::make_unique<ErrorAccumulator>();
  }
};

inline EpochOptions epoch_of(int64_t epoch, int64_t epochs, int64_t batch_size,
                             ScheduleKind kind = ScheduleKind::kConstant) {
  EpochOptions options;
  options.epoch = epoch;
  options.epochs = epochs;
  options.batch_size = batch_size;
  options.schedule.kind = kind;
  return options;
}

/// Images whose vector is a linear function of their channels' means. The order is that of the set in every epoch.
inline ImageSet vector_set(int64_t size, uint64_t seed = 1) {
  const at::Tensor images = at::empty({size, 3, kSide, kSide}, at::kFloat);
  init::normal(images, 1.0, init::generator(seed));
  const at::Tensor means = images.mean({2, 3});  // [N, 3]
  const at::Tensor vectors =
      at::stack({means.select(1, 0) * 4 - means.select(1, 1), means.select(1, 2) * 2 + 1}, 1);  // [N, kOutputs]

  class Source : public BatchSource {
   public:
    Source(at::Tensor images, at::Tensor vectors, const BatchPlan& plan)
        : images_(std::move(images)),
          vectors_(std::move(vectors)),
          plan_(plan),
          count_(batch_count(images_.size(0), plan)),
          next_(plan.first_batch) {}

    std::optional<Batch> next() override {
      if (next_ >= count_) return std::nullopt;
      const int64_t first = next_++ * plan_.batch_size;
      const int64_t length = std::min(plan_.batch_size, images_.size(0) - first);
      return Batch{images_.narrow(0, first, length),
                   std::move(Targets().add("vector", vectors_.narrow(0, first, length)))};
    }

   private:
    at::Tensor images_, vectors_;
    BatchPlan plan_;
    int64_t count_, next_;
  };
  return {.kind = "vectors", .num_classes = 0, .size = size, .open = [images, vectors](const BatchPlan& plan) {
            return std::make_shared<Source>(images, vectors, plan);
          }};
}

}  // namespace reviewkd::tests
