#include "core/training/evaluator.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <string>

#include "core/base/error.h"
#include "core/models/inference.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/threads/default_threads.h"

namespace reviewkd {

EvaluationOptions EvaluationOptions::from(const Options& options) {
  EvaluationOptions evaluation{.batch_size = options.integer("batchSize"),
                               .precision = precision_from(options, "precision"),
                               .fused = options.boolean("fused")};
  options.read("threads", evaluation.threads);
  return evaluation;
}

namespace {

/// Where the processes of an evaluation stand after each of them has had a batch.
struct Round {
  /// Images of all processes.
  int64_t done = 0;
  bool stops = false;
};

Round agreed(Peers& peers, const Round& own) {
  Round all;
  for (const std::string& text : peers.gather_texts(std::to_string(own.done) + (own.stops ? " stop" : ""))) {
    all.done += std::stoll(text);
    all.stops = all.stops || text.ends_with("stop");
  }
  return all;
}

void exchange_results(Peers& peers, MetricAccumulator& found) {
  const std::string own = found.pack();
  found.merge(peers.gather_texts(own));
}

}  // namespace

Evaluation evaluate(Network& network, const Task& task, const TrainingImages& images, const EvaluationOptions& options,
                    const EvaluationProgress& progress, const std::atomic<bool>& stop, Peers* peers) {
  const ops::ThreadsScope threads(options.threads);
  const ImageSet& set = images.set;
  task.check_data(*network.module, set);
  const bool is_deferred =
      options.fused && peers == nullptr && ops::kernel_backend_of(network.device().type()) != nullptr;
  BatchPlan plan{.batch_size = options.batch_size, .sharding = Sharding::kWholeBatches};
  if (peers != nullptr) {
    peers->wait_for_exchange();
    plan.share = peers->share();
  }
  task.complete(*network.module, set, plan);
  at::Tensor picks;
  const auto source = is_deferred ? open_on(network.device(), images, plan, picks).source : set.open(plan);
  const auto found = task.new_accumulator(network, set, is_deferred);
  Round round;
  int64_t done = 0;
  const auto run_batch = [&](const Batch& batch) {
    const NetworkLock lock(network);
    const auto device = network.device();
    const ops::ReferenceScope path(!options.fused);
    const PrecisionScope scope(options.precision, device);
    network.module->eval();
    const ImageBatch input(as_input(batch.images, network.dtype(), device), batch.sizes);
    const Targets targets = batch.targets.to(device);
    found->add({*network.module, infer(*network.module, input), input, targets});
    done += input.count();
  };
  torch::NoGradGuard no_grad;
  const int64_t rounds = (batch_count(set.size, plan) + plan.share.size - 1) / plan.share.size;
  for (int64_t number = 0; peers == nullptr || number < rounds; ++number) {
    const auto batch = source->next();
    if (!batch && peers == nullptr) break;
    if (batch) run_batch(*batch);
    round = {done, stop};
    // Those that have no batch any more take part until all are done.
    if (peers != nullptr) round = agreed(*peers, round);
    if (progress) progress(round.done);
    if (round.stops) break;
  }
  if (round.stops && (round.done < set.size || peers != nullptr))
    throw Error(ErrorCode::kAborted, "the evaluation was stopped.");
  if (round.done == 0)
    fail(ErrorCode::kInvalidArgument, "invalid data set ", set.kind,
         ": expected images to evaluate on, received none. Add images.");
  if (peers != nullptr) exchange_results(*peers, *found);
  return found->compute();
}

at::Tensor class_probabilities(Network& network, const at::Tensor& images) {
  image_size_of(images);
  const torch::NoGradGuard no_grad;
  const NetworkLock lock(network);
  const auto device = network.device();
  // As `evaluate` does it.
  const PrecisionScope scope(Precision::kFloat32, device);
  network.module->eval();
  const ImageBatch input(as_input(images, network.dtype(), device));
  const at::Tensor logits = infer(*network.module, input).logits.to(at::kCPU, at::kDouble);  // [N, classes]
  const at::Tensor is_finite = at::isfinite(logits).all(1);
  if (!is_finite.all().item<bool>()) {
    fail(ErrorCode::kInvalidArgument, "invalid outputs of ", network.name,
         ": expected finite numbers, received NaN or ", "infinity for ", (~is_finite).sum().item<int64_t>(), " of ",
         images.size(0), " images. Pass images of finite values, and weights of a training that did not diverge.");
  }
  return at::softmax(logits, 1);
}

}  // namespace reviewkd
