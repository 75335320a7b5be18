#include "core/training/state/training.h"

#include <torch/nn/modules/batchnorm.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {
namespace {

NamedTensors only_parameters(const NamedTensors& state) {
  NamedTensors parameters;
  for (const auto& [name, tensor] : state) {
    if (tensor.requires_grad()) parameters.emplace_back(name, tensor);
  }
  return parameters;
}

/// Puts the networks into the state in which they train. Precedes the optimizer, which collects their parameters.
NamedTensors prepared(const Objective& objective) {
  BackboneImpl& network = *objective.network().module;
  network.require_gradients(true);
  const Distiller* distiller = objective.distiller();
  if (distiller != nullptr) {
    distiller->teacher().module->require_gradients(false);
    use_fast_memory_order(*distiller->teacher().module);
  }
  use_fast_memory_order(network);
  if (distiller == nullptr) return only_parameters(state_dict(network));
  use_fast_memory_order(distiller->modules());
  return only_parameters(distiller_state(*distiller));
}

/// Weights and biases of all batch normalizations that are trained.
std::vector<at::Tensor> norms_of(const Objective& objective) {
  std::vector<at::Tensor> norms;
  const auto add = [&](const torch::nn::Module& root) {
    for (const auto& module : root.modules()) {
      if (module->as<torch::nn::BatchNorm2dImpl>() == nullptr) continue;
      for (const auto& parameter : module->parameters()) norms.push_back(parameter);
    }
  };
  add(*objective.network().module);
  if (objective.distiller() != nullptr) add(objective.distiller()->modules());
  return norms;
}

}  // namespace

SessionOptions SessionOptions::from(const Options& options) {
  SessionOptions session{
      .optimizer = SgdOptions::from(options.options("optimizer")),
      .precision = precision_from(options, "precision"),
      .teacher_precision = precision_from(options, options.has("teacherPrecision") ? "teacherPrecision" : "precision"),
      .micro_batches = options.integer("microBatches"),
      .accumulate_batches = options.integer("accumulateBatches"),
      .clip_norm = std::nullopt,
      .threads = options.has("threads") ? static_cast<int>(options.integer("threads")) : 0,
      .fused = options.boolean("fused"),
  };
  options.read("clipNorm", session.clip_norm);
  options.read("teacherThreads", session.teacher_threads);
  if (options.has("syncBatchNorm")) session.sync_batch_norm = options.boolean("syncBatchNorm");
  return session;
}

Training::Training(Objective minimized, const SessionOptions& session_options)
    : objective(std::move(minimized)),
      options(session_options),
      optimizer(prepared(objective), norms_of(objective), options.optimizer),
      learning_rate(options.optimizer.learning_rate) {}

void Training::check_networks() const {
  // Another session may have made a teacher of the trained network, or trains the teacher.
  const auto is_trained = [](const Network& network) {
    return network.module->trainable_parameters().front().requires_grad();
  };
  const Network* frozen = objective.teacher();
  if (!is_trained(objective.network())) {
    fail(ErrorCode::kInvalidArgument, "invalid session: expected a network that is trained, received ",
         objective.network().name,
         ", which has become the teacher of a newer session. Finish one training before the other, or use a copy.");
  }
  if (frozen != nullptr && is_trained(*frozen)) {
    fail(ErrorCode::kInvalidArgument, "invalid teacher: expected one that does not change, received ", frozen->name,
         ", which a newer session trains. Finish one training before the other, or use a copy.");
  }
  check_devices();
}

void Training::check_devices() const {
  optimizer.check_devices();
  const Network* teacher = objective.teacher();
  const at::Device device = objective.network().device();
  if (teacher == nullptr || teacher->device() == device) return;
  fail(ErrorCode::kDeviceMismatch, "invalid device of the teacher: expected ", device, " as the student's, received ",
       teacher->device(), ": another session moved it. Create a new session, or let all of them use one device.");
}

std::vector<int64_t> parts_of(const std::vector<int64_t>& batch_sizes, int64_t micro_batches) {
  std::vector<int64_t> lengths;
  for (const int64_t images : batch_sizes) {
    const int64_t parts = std::min(micro_batches, images);
    for (int64_t part = 0; part < parts; ++part) lengths.push_back(images * (part + 1) / parts - images * part / parts);
  }
  return lengths;
}

std::vector<int64_t> Training::parts_of_batch(const StepBatches& step, size_t batch) const {
  int64_t most = options.micro_batches;
  if (options.sync_batch_norm && peers) most = std::clamp<int64_t>(step.images.at(batch) / share().size, 1, most);
  return parts_of({step.batches.at(batch).images.size(0)}, most);
}

NamedTensors distiller_state(const Distiller& distiller) {
  NamedTensors state = state_dict(*distiller.student().module, "student.");
  for (auto& entry : state_dict(distiller.modules())) state.push_back(std::move(entry));
  return state;
}

}  // namespace reviewkd
