#include "core/training/steps/eager_step.h"

#include <utility>

#include "core/base/random.h"
#include "core/base/stopwatch.h"
#include "core/ops/backend/dispatch.h"

namespace reviewkd {

void EagerStep::begin_sums(const EpochSums& sums) {
  report_ = {};
  report_.sums = sums;
  has_steps_ = false;
}

void EagerStep::run(StepBatches step, const std::vector<double>& weights) {
  const ops::ReferenceScope path(!training_.options.fused);
  const Network& network = training_.objective.network();
  int64_t count = 0;
  for (const Batch& batch : step.batches) count += batch.images.size(0);

  training_.optimizer.zero_grad();
  report_.losses = {};
  report_.seconds = {};
  double metric = 0;
  uint64_t part = 0;
  for (const Batch& batch : step.batches) {
    // [N, 3, H, W]
    const ImageBatch images(as_input(batch.images, network.dtype(), network.device()), batch.sizes);
    const Targets targets = batch.targets.to(network.device());
    int64_t begin = 0;
    for (const int64_t length : parts_of({images.count()}, training_.options.micro_batches)) {
      const double share = static_cast<double>(length) / static_cast<double>(count);
      const uint64_t seed = key_of({static_cast<uint64_t>(schedule_.number), part});
      std::optional<BackboneOutput> teacher;
      if (!step.teacher.empty()) teacher = std::move(step.teacher.at(part));
      metric += run_part({images.narrow(begin, length), targets.narrow(begin, length), share, seed, std::move(teacher)},
                         weights);
      begin += length;
      ++part;
    }
  }
  // Weights are not averaged over the parts, whose shares may have been rounded.
  for (size_t k = 0; k < weights.size(); ++k) report_.losses.terms[k].weight = weights[k];
  report_.losses.distillation_weight = training_.objective.overall_weight(weights);
  run_optimizer();

  report_.sums.losses.add(report_.losses, static_cast<double>(count));
  report_.sums.metric += metric;
  report_.sums.images += count;
  ++schedule_.position;
  ++schedule_.number;
  has_steps_ = true;
}

double EagerStep::run_part(Part part, const std::vector<double>& weights) {
  const Objective& objective = training_.objective;
  Stopwatch watch;
  const ForwardResult result =
      objective.forward(part.images, part.targets, training_.options.precisions(), part.seed, std::move(part.teacher));
  const at::Tensor values = result.loss_vector().cpu();  // one copy for all terms
  const Losses losses = objective.losses_of(values.const_data_ptr<double>(), weights);
  objective.check_finite(losses, schedule_.number);
  report_.seconds.teacher += result.teacher_seconds;
  report_.seconds.student += result.student_seconds;
  report_.seconds.method += watch.lap() - result.teacher_seconds - result.student_seconds;

  const auto& infos = objective.task().info().losses;
  at::Tensor total;
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].weight == 0) continue;
    at::Tensor loss = result.task_losses[i].to(at::kDouble);
    if (infos[i].weight != 1) loss = infos[i].weight * loss;
    total = total.defined() ? total + loss : loss;
  }
  for (size_t k = 0; k < result.terms.size(); ++k) total = total + weights[k] * result.terms[k].loss;
  (part.share * total).backward();
  report_.seconds.backward += watch.lap();

  report_.losses.add(losses, part.share);
  return result.metric_sum ? result.metric_sum().item<double>() : 0.0;
}

void EagerStep::run_optimizer() {
  Stopwatch watch;
  const std::optional<double>& limit = training_.options.clip_norm;
  report_.gradient_norm = std::nullopt;
  if (limit) {
    report_.gradient_norm = training_.optimizer.clip_gradients(*limit);
    training_.objective.check_norm(*report_.gradient_norm, schedule_.number);
  }
  training_.optimizer.step(schedule_.rates.at(static_cast<size_t>(schedule_.position)));
  report_.seconds.optimizer = watch.lap();
}

}  // namespace reviewkd
