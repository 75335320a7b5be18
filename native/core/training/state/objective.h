#pragma once
// The minimized function of a training: the losses of its task, and with a teacher the weighted losses of the methods.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/distillation/distiller.h"
#include "core/tasks/task.h"
#include "core/training/state/forward_result.h"
#include "core/training/state/losses.h"
#include "core/training/state/precision.h"

namespace reviewkd {

class Objective {
 public:
  Objective(std::shared_ptr<Distiller> distiller, std::shared_ptr<const Task> task);
  Objective(std::shared_ptr<Network> network, std::shared_ptr<const Task> task);

  /// Forward passes of the networks, then the losses. images: as `as_input` has them; targets: on the same device;
  /// seed: of the task's random choices; teacher_output: of `run_teacher` for these images, if it has run already.
  ForwardResult forward(const ImageBatch& images, const Targets& targets, const Precisions& precisions, uint64_t seed,
                        std::optional<BackboneOutput> teacher_output = std::nullopt) const;

  /// The teacher's forward pass alone.
  BackboneOutput run_teacher(const ImageBatch& images, Precision precision) const;

  /// The weights λ of the terms in `epoch`; none without a teacher.
  std::vector<double> weights_at(int64_t epoch) const;
  /// The weight of `Losses::distillation`: λ of the one method, 1 for a sum, 0 without a teacher.
  double overall_weight(const std::vector<double>& weights) const;

  /// values: as ForwardResult::loss_vector has them.
  Losses losses_of(const double* values, const std::vector<double>& weights) const;
  /// All values 0.
  Losses zero_losses() const;
  /// The same of sums over `images` images, with the weights summed up as well.
  Losses sums_of(const double* values, const std::vector<double>& weights, double images) const;

  /// Throw NON_FINITE_LOSS, naming the step and the loss.
  void check_finite(const Losses& losses, int64_t step) const;
  void check_norm(double norm, int64_t step) const;

  const Task& task() const { return *task_; }
  const std::shared_ptr<const Task>& shared_task() const { return task_; }
  Network& network() const { return *network_; }
  const std::shared_ptr<Network>& shared_network() const { return network_; }
  /// Null without a teacher.
  Distiller* distiller() const { return distiller_.get(); }
  Network* teacher() const { return distiller_ ? &distiller_->teacher() : nullptr; }
  /// Whether training updates the teacher's statistics.
  bool has_moving_teacher() const { return distiller_ && distiller_->options().teacher_mode == TeacherMode::kTrain; }

 private:
  struct NetworkOutputs {
    BackboneOutput student, teacher;
  };
  /// regions: what the student classified, for methods that compare it.
  std::vector<MethodOutput> run_methods(NetworkOutputs outputs, const ImageBatch& images, const Targets& targets,
                                        const std::optional<detection::RegionSample>& regions,
                                        Precision teacher_precision) const;

  std::shared_ptr<Distiller> distiller_;
  std::shared_ptr<Network> network_;
  std::shared_ptr<const Task> task_;
};

}  // namespace reviewkd
