#include "core/training/steps/eager_step.h"

#include <algorithm>
#include <numeric>
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
  int64_t count = 0;
  if (step.images.empty()) {
    for (const Batch& batch : step.batches) count += batch.images.size(0);
  } else {
    count = std::accumulate(step.images.begin(), step.images.end(), int64_t{0});
  }

  training_.optimizer.zero_grad();
  report_.losses = training_.objective.zero_losses();
  report_.seconds = {};
  double metric = run_batches(step, static_cast<double>(count), weights);
  if (training_.peers) metric = agree(step, metric);
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

double EagerStep::run_batches(StepBatches& step, double count, const std::vector<double>& weights) {
  const Network& network = training_.objective.network();
  const Share share = training_.share();
  const int64_t most_parts = training_.options.micro_batches;
  if (training_.peers) {
    int64_t active = 0;
    bool is_even = true;
    for (const int64_t images : step.images) {
      active = std::max(active, share.active(images));
      const int64_t least = images / share.size, most = (images + share.size - 1) / share.size;
      is_even = is_even && std::min(most_parts, least) == std::min(most_parts, most);
    }
    training_.peers->begin_step(active, is_even);
  }
  double metric = 0;
  uint64_t part = 0;
  size_t teacher_part = 0;
  for (size_t i = 0; i < step.batches.size(); ++i) {
    const Batch& batch = step.batches[i];
    // A step's last batch alone may lack images for this process.
    if (training_.peers) training_.peers->begin_batch(share.active(step.images.at(i)));
    // The host waits for the device in copies to it, and in the exchange of statistics.
    if (training_.peers && (batch.images.is_cpu() || training_.options.sync_batch_norm))
      training_.peers->wait_for_exchange();
    // [N, 3, H, W]
    const ImageBatch images(as_input(batch.images, network.dtype(), network.device()), batch.sizes);
    const Targets targets = batch.targets.to(network.device());
    // One process that splits each batch into as many parts makes the same random choices.
    if (!share.is_whole()) part = (i * static_cast<uint64_t>(share.size) + share.rank) * most_parts;
    int64_t begin = 0;
    for (const int64_t length : training_.parts_of_batch(step, i)) {
      std::optional<BackboneOutput> teacher;
      if (!step.teacher.empty()) teacher = std::move(step.teacher.at(teacher_part++));
      metric += run_part({.images = images.narrow(begin, length),
                          .targets = targets.narrow(begin, length),
                          .share = static_cast<double>(length) / count,
                          .seed = key_of({static_cast<uint64_t>(schedule_.number), part}),
                          .teacher = std::move(teacher),
                          .is_last = i + 1 == step.batches.size() && begin + length == images.count()},
                         weights);
      begin += length;
      ++part;
    }
  }
  return metric;
}

ForwardResult EagerStep::forward(Part& part) const {
  const ops::StatisticsScope statistics(training_.peers ? training_.peers->statistics() : nullptr);
  return training_.objective.forward(part.images, part.targets, training_.options.precisions(), part.seed,
                                     std::move(part.teacher));
}

double EagerStep::run_part(Part part, const std::vector<double>& weights) {
  const Objective& objective = training_.objective;
  Stopwatch watch;
  const ForwardResult result = forward(part);
  if (training_.peers) training_.peers->wait_for_exchange();
  const at::Tensor values = result.loss_vector().cpu();  // one copy for all terms
  const Losses losses = objective.losses_of(values.const_data_ptr<double>(), weights);
  check_finite(losses);
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
  if (training_.peers && part.is_last) training_.peers->begin_last_backward();
  (part.share * total).backward();
  report_.seconds.backward += watch.lap();

  report_.losses.add(losses, part.share);
  return result.metric_sum ? result.metric_sum().item<double>() : 0.0;
}

void EagerStep::check_finite(const Losses& losses) {
  if (!training_.peers) {
    training_.objective.check_finite(losses, schedule_.number);
    return;
  }
  try {
    training_.objective.check_finite(losses, schedule_.number);
  } catch (const Error& error) {
    if (!failure_) failure_ = error;
  }
}

double EagerStep::agree(const StepBatches& step, double metric) {
  Peers& peers = *training_.peers;
  StepNews own;
  own.metric = metric;
  own.stops = step.stops;
  own.saves = step.saves;
  own.has_failed = failure_.has_value();
  for (const Batch& batch : step.batches) {
    own.images += batch.images.size(0);
    own.replaced += batch.replaced;
  }
  report_.losses.for_each([&](double& value) { own.losses.push_back(value); });
  Stopwatch watch;
  const std::vector<StepNews> all = peers.end_step(own);
  report_.seconds.exchange = watch.lap();

  report_.stops = report_.saves = false;
  report_.replaced = 0;
  metric = 0;
  std::vector<double> sums(own.losses.size(), 0.0);
  int64_t failed = -1;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    const StepNews& news = all[rank];
    if (news.has_failed && failed < 0) failed = static_cast<int64_t>(rank);
    report_.stops = report_.stops || news.stops;
    report_.saves = report_.saves || news.saves;
    report_.replaced += news.replaced;
    metric += news.metric;
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += news.losses.at(i);
  }
  if (failed >= 0) {
    const std::string text = failure_ ? std::exchange(failure_, std::nullopt)->what() : "";
    const auto texts = peers.gather_texts(text);
    fail(ErrorCode::kNonFiniteLoss, peers.description_of(failed), ": ", texts.at(static_cast<size_t>(failed)));
  }
  size_t next = 0;
  report_.losses.for_each([&](double& value) { value = sums.at(next++); });
  return metric;
}

void EagerStep::run_optimizer() {
  Stopwatch watch;
  const std::optional<double>& limit = training_.options.clip_norm;
  report_.gradient_norm = std::nullopt;
  if (limit) {
    if (training_.peers) training_.peers->wait_for_exchange();
    report_.gradient_norm = training_.optimizer.clip_gradients(*limit);
    training_.objective.check_norm(*report_.gradient_norm, schedule_.number);
  }
  training_.optimizer.step(schedule_.rates.at(static_cast<size_t>(schedule_.position)));
  report_.seconds.optimizer = watch.lap();
}

}  // namespace reviewkd
