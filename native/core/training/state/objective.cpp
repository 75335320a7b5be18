#include "core/training/state/objective.h"

#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/base/stopwatch.h"
#include "core/ops/backend/device_streams.h"

namespace reviewkd {

Objective::Objective(std::shared_ptr<Distiller> distiller, std::shared_ptr<const Task> task)
    : distiller_(std::move(distiller)), network_(distiller_->student_network()), task_(std::move(task)) {
  check_info(task_->info());
}

Objective::Objective(std::shared_ptr<Network> network, std::shared_ptr<const Task> task)
    : network_(std::move(network)), task_(std::move(task)) {
  check_info(task_->info());
}

ForwardResult Objective::forward(const ImageBatch& images, const Targets& targets, const Precisions& precisions,
                                 uint64_t seed, std::optional<BackboneOutput> teacher_output) const {
  const PrecisionScope scope(precisions.student, network_->device());
  ForwardResult result;
  Stopwatch watch;
  ops::SideWork side;  // on a device alongside the student
  BackboneOutput teacher, student;
  if (distiller_) {
    distiller_->check(images, /*has_labels=*/true);
    if (teacher_output) teacher = std::move(*teacher_output);
    else side.run([&] { teacher = run_teacher(images, precisions.teacher); });
    result.teacher_seconds = watch.lap();
    student = distiller_->run_student(images);
  } else {
    network_->module->train();
    student = network_->module->forward_batch(images);
  }
  TaskLosses losses = task_->losses({*network_->module, student, images, targets, seed});
  result.student_seconds = watch.lap();
  side.join();
  if (distiller_) result.terms = run_methods({student, teacher}, images, targets, losses.regions, precisions.teacher);
  result.task_losses = std::move(losses.losses);
  result.metric_sum = std::move(losses.metric_sum);
  const TaskInfo& info = task_->info();
  if (result.task_losses.size() != info.losses.size() ||
      static_cast<bool>(result.metric_sum) != info.training_metric.has_value()) {
    fail(ErrorCode::kInternal, "invalid losses of the task ", info.name, ": expected ", info.losses.size(),
         " and the sum of its training metric, received ", result.task_losses.size(), ".");
  }
  return result;
}

BackboneOutput Objective::run_teacher(const ImageBatch& images, Precision precision) const {
  const PrecisionScope scope(precision, network_->device());
  return distiller_->run_teacher(images);
}

std::vector<MethodOutput> Objective::run_methods(NetworkOutputs outputs, const ImageBatch& images,
                                                 const Targets& targets,
                                                 const std::optional<detection::RegionSample>& regions,
                                                 Precision teacher_precision) const {
  if (!distiller_->compares_regions()) {
    const at::Tensor labels = network_->module->is_classifier() ? targets.labels() : at::Tensor();
    return distiller_->run_methods(outputs.student, outputs.teacher, labels);
  }
  {
    const PrecisionScope scope(teacher_precision, network_->device());
    distiller_->add_region_logits(regions.value(), images, outputs.student, outputs.teacher);
  }
  return distiller_->run_methods(outputs.student, outputs.teacher, regions->labels);
}

std::vector<double> Objective::weights_at(int64_t epoch) const {
  return distiller_ ? distiller_->weights_at(epoch) : std::vector<double>{};
}

double Objective::overall_weight(const std::vector<double>& weights) const {
  if (!distiller_) return 0.0;
  return distiller_->options().is_sum ? 1.0 : weights.at(0);
}

Losses Objective::losses_of(const double* value, const std::vector<double>& weights) const {
  Losses losses;
  for (const LossInfo& loss : task_->info().losses) {
    losses.task.push_back({loss.name, *value});
    losses.total += loss.weight * *value++;
  }
  losses.distillation_weight = overall_weight(weights);
  for (size_t k = 0; k < weights.size(); ++k) {
    const size_t stages = distiller_->terms()[k].method->stages().size();
    TermLosses term{distiller_->terms()[k].kind, *value++, weights[k], {value, value + stages}};
    value += stages;
    losses.distillation += distiller_->options().is_sum ? term.weight * term.loss : term.loss;
    losses.terms.push_back(std::move(term));
  }
  losses.total = losses.total + losses.distillation_weight * losses.distillation;
  return losses;
}

Losses Objective::zero_losses() const {
  size_t count = task_->info().losses.size();
  const size_t terms = distiller_ ? distiller_->terms().size() : 0;
  for (size_t k = 0; k < terms; ++k) count += 1 + distiller_->terms()[k].method->stages().size();
  const std::vector<double> values(count, 0.0);
  Losses losses = losses_of(values.data(), std::vector<double>(terms, 0.0));
  losses.distillation_weight = 0;
  return losses;
}

Losses Objective::sums_of(const double* values, const std::vector<double>& weights, double images) const {
  Losses sums = losses_of(values, weights);
  for (size_t k = 0; k < weights.size(); ++k) sums.terms[k].weight = weights[k] * images;
  sums.distillation_weight = overall_weight(weights) * images;
  return sums;
}

void Objective::check_norm(double norm, int64_t step) const {
  if (std::isfinite(norm)) return;
  fail(ErrorCode::kNonFiniteLoss, "invalid gradients in step ", step, ": expected a finite norm, received ", norm,
       ". Lower the learning rate or lengthen its warm-up.");
}

void Objective::check_finite(const Losses& losses, int64_t step) const {
  const auto check = [&](double value, const std::string& loss) {
    if (std::isfinite(value)) return;
    fail(ErrorCode::kNonFiniteLoss, "invalid loss in step ", step, ": expected a finite value for ", loss,
         ", received ", value,
         ". Lower the learning rate, lengthen its warm-up or bound the gradients (clipNorm); check the data for NaN.");
  };
  for (const TaskLoss& loss : losses.task) check(loss.value, loss.name);
  for (size_t k = 0; k < losses.terms.size(); ++k) {
    const auto& stages = distiller_->terms()[k].method->stages();
    const auto& per_stage = losses.terms[k].per_stage;
    for (size_t i = 0; i < per_stage.size(); ++i) {
      check(per_stage[i], distiller_->name_of(k) + " at stage " + std::to_string(stages.at(i)) + " (" +
                              distiller_->matching().stage(stages.at(i)).teacher.name + ")");
    }
    check(losses.terms[k].loss, distiller_->name_of(k));
  }
}

}  // namespace reviewkd
