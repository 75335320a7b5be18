#include "binding/objects/session.h"

#include "binding/data/training_images.h"
#include "binding/functional/tensor_tree.h"
#include "binding/objects/detector.h"
#include "binding/objects/distiller.h"
#include "binding/objects/model.h"
#include "binding/objects/session_results.h"
#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/checkpoint/training_checkpoint.h"
#include "core/ops/backend/device.h"
#include "core/tasks/detection/detection.h"
#include "core/tasks/registry.h"

namespace reviewkd::binding {
namespace {

/// { images, labels } of a classifier, or { images: Tensor[], targets: { boxes, labels, masks? }[] } of a detector.
Batch batch_of(const TensorTree& given, const Network& network) {
  if (given.has("labels")) {
    Batch batch;
    batch.images = given.tensor("images");
    batch.targets = Targets::labels(given.tensor("labels"));
    return batch;
  }
  std::vector<at::Tensor> images;
  for (const at::Tensor& image : given.tensors("images")) {
    require_values(image);
    images.push_back(image.to(network.dtype()));
  }
  std::vector<detection::ImageTargets> targets;
  for (const TensorTree& entry : given.list("targets")) {
    targets.push_back({entry.tensor("boxes").to(network.dtype()), entry.tensor("labels"),
                       entry.has("masks") ? entry.tensor("masks") : at::Tensor()});
  }
  return detection_batch(detector_of(*network.module), images, targets);
}

void move_to(const std::optional<at::Device>& device, Network& network) {
  if (!device) return;
  const NetworkLock lock(network);
  network.module->to(*device);
}

/// Runs `work(session)` on the session's thread, with its number of threads.
template <typename Work, typename Convert>
Napi::Value on_thread(Napi::Env env, const std::shared_ptr<SessionThread>& owner, Work work, Convert convert,
                      std::function<void(Napi::Env)> settled = {}) {
  return run_async(
      env, owner->thread,
      [owner, work = std::move(work)]() mutable {
        owner->session->use_threads();
        return work(*owner->session);
      },
      std::move(convert), std::move(settled));
}

/// Runs what is posted between two steps of the epoch that runs, or else as soon as the thread is free.
struct NextStep {
  std::shared_ptr<SessionThread> owner;

  void post(std::function<void()> task) {
    owner->between_steps.post(std::move(task));
    owner->thread->post([owner = owner] { owner->between_steps.run(/*within_epoch=*/false); });
  }
};

}  // namespace

/// The methods of JavaScript's `Session`; see NativeSession in lib/native.ts.
namespace session_methods {
namespace {

using Owner = std::shared_ptr<SessionThread>;

Napi::Value step(const Napi::CallbackInfo& info, const Owner& owner) {
  const TensorTree given = TensorTree::Record{{"batches", tensor_tree_of(info[0], "batches")}};
  return on_thread(
      info.Env(), owner,
      [given](Session& session) {
        std::vector<Batch> batches;
        for (const TensorTree& batch : given.list("batches")) batches.push_back(batch_of(batch, session.network()));
        return session.step(batches);
      },
      [](Napi::Env env, const StepResult& result) { return to_js(env, result); });
}

Napi::Value train_epoch(const Napi::CallbackInfo& info, const Owner& owner) {
  const Napi::Env env = info.Env();
  const TrainingImages images = training_images_of(info[0], "train");
  const EpochOptions options = EpochOptions::from(options_of(info[1], "options"));
  const auto stop = StopFlagHandle::unwrap(info[2]);
  const auto convert = [task = owner->session->shared_task()](Napi::Env env, const EpochState& state) {
    return to_js(env, state, task->info());
  };
  const LatestValueCallback<EpochState, std::remove_const_t<decltype(convert)>> latest(
      env, info[3].As<Napi::Function>(), convert);
  return on_thread(
      env, owner,
      [=](Session& session) {
        const auto between_steps = [&](const EpochState& state) {
          latest.send(state);
          // After the last step the epoch is over: a session that continued from there would begin it again.
          if (state.step < state.steps) owner->between_steps.run(/*within_epoch=*/true);
        };
        return session.train_epoch(images, options, between_steps, *stop,
                                   [&] { return owner->between_steps.waiting(); });
      },
      convert, [latest](Napi::Env env) { latest.release(env); });
}

Napi::Value evaluate(const Napi::CallbackInfo& info, const Owner& owner) {
  return evaluate_on(info, owner->thread, owner->session->shared_network(), owner->session->shared_task(),
                     [owner] { owner->session->use_threads(); });
}

Napi::Value evaluate_teacher(const Napi::CallbackInfo& info, const Owner& owner) {
  const auto teacher = owner->session->shared_teacher();
  if (teacher == nullptr)
    fail(ErrorCode::kInvalidArgument,
         "invalid session: expected one of a distiller, received one of a single network.");
  return evaluate_on(info, owner->thread, teacher, task_of(*teacher), [owner] { owner->session->use_threads(); });
}

Napi::Value gradients(const Napi::CallbackInfo& info, const Owner& owner) {
  return on_thread(
      info.Env(), owner,
      [names = state_names_of(info[0])](Session& session) {
        return to_names(session.network(), session.gradients(), names);
      },
      to_entries);
}

Napi::Value task(const Napi::CallbackInfo& info, const Owner& owner) {
  return to_js(info.Env(), owner->session->task().info());
}

Napi::Value position(const Napi::CallbackInfo& info, const Owner& owner) {
  struct Position {
    EpochState state;
    int64_t steps;
  };
  return on_thread(
      info.Env(), owner, [](Session& session) { return Position{session.state(), session.steps()}; },
      [](Napi::Env env, const Position& position) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("epoch", static_cast<double>(position.state.epoch));
        object.Set("step", static_cast<double>(position.state.step));
        object.Set("steps", static_cast<double>(position.state.steps));
        object.Set("totalSteps", static_cast<double>(position.steps));
        return object;
      });
}

Napi::Value configure(const Napi::CallbackInfo& info, const Owner& owner) {
  const Options options = options_of(info[0], "options");
  std::optional<int64_t> epoch;
  std::optional<double> rate;
  if (options.has("epoch")) epoch = options.integer("epoch");
  if (options.has("learningRate")) rate = options.number("learningRate");
  return on_thread(
      info.Env(), owner,
      [epoch, rate](Session& session) {
        if (epoch) session.set_epoch(*epoch);
        if (rate) session.set_learning_rate(*rate);
        return Nothing{};
      },
      to_undefined);
}

Napi::Value save(const Napi::CallbackInfo& info, const Owner& owner) {
  return on_thread(
      info.Env(), owner,
      [path = string_of(info[0], "path"), metadata = metadata_of(info[1], "metadata"),
       keep_as = string_of(info[2], "keepAs")](Session& session) {
        save_checkpoint(session, path, metadata, keep_as);
        return Nothing{};
      },
      to_undefined);
}

Napi::Value save_within_epoch(const Napi::CallbackInfo& info, const Owner& owner) {
  return run_async(
      info.Env(), std::make_shared<NextStep>(NextStep{owner}),
      // The session keeps its tasks, so that a task must not keep the session.
      [session = std::weak_ptr(owner), path = string_of(info[0], "path"), metadata = metadata_of(info[1], "metadata"),
       keep_as = string_of(info[2], "keepAs")] {
        const auto owner = session.lock();
        if (!owner || !owner->between_steps.within_epoch()) return false;
        save_checkpoint(*owner->session, path, metadata, keep_as);
        return true;
      },
      [](Napi::Env env, bool saved) -> Napi::Value { return Napi::Boolean::New(env, saved); });
}

Napi::Value load(const Napi::CallbackInfo& info, const Owner& owner) {
  return on_thread(
      info.Env(), owner,
      [path = string_of(info[0], "path"), other_teacher = info[1].ToBoolean().Value()](Session& session) {
        return load_checkpoint(session, path, other_teacher);
      },
      [](Napi::Env env, const Metadata& metadata) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        for (const auto& [key, value] : metadata) object.Set(key, value);
        return object;
      });
}

}  // namespace
}  // namespace session_methods

void SessionHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("step", &SessionHandle::call<session_methods::step>),
                 InstanceMethod("trainEpoch", &SessionHandle::call<session_methods::train_epoch>),
                 InstanceMethod("evaluate", &SessionHandle::call<session_methods::evaluate>),
                 InstanceMethod("evaluateTeacher", &SessionHandle::call<session_methods::evaluate_teacher>),
                 InstanceMethod("gradients", &SessionHandle::call<session_methods::gradients>),
                 InstanceMethod("task", &SessionHandle::call<session_methods::task>),
                 InstanceMethod("position", &SessionHandle::call<session_methods::position>),
                 InstanceMethod("configure", &SessionHandle::call<session_methods::configure>),
                 InstanceMethod("save", &SessionHandle::call<session_methods::save>),
                 InstanceMethod("saveWithinEpoch", &SessionHandle::call<session_methods::save_within_epoch>),
                 InstanceMethod("load", &SessionHandle::call<session_methods::load>));
}

Napi::Value create_session(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const Options options = options_of(info[1], "options");
    const SessionOptions session_options = SessionOptions::from(options);
    const bool distills = info[0].IsObject() && info[0].As<Napi::Object>().CheckTypeTag(&DistillerHandle::kTag);
    const auto distiller = distills ? DistillerHandle::unwrap(info[0]) : nullptr;
    const auto network = distills ? distiller->student_network() : ModelHandle::unwrap(info[0]);
    const std::string device_name = options.has("device") ? options.string("device") : "";
    const auto thread = Runtime::of(env).new_thread();
    return run_async(
        env, thread,
        [=] {
          auto owner = std::make_shared<SessionThread>();
          owner->thread = thread;  // from here on the thread ends with its owner, also if what follows throws
          std::optional<at::Device> device;
          if (!device_name.empty()) device = parse_device(device_name);
          move_to(device, *network);
          if (distiller) {
            move_to(device, distiller->teacher());
            if (device) distiller->modules().to(*device);
            owner->session = std::make_unique<Session>(distiller, task_of(*network), session_options);
          } else {
            owner->session = std::make_unique<Session>(network, task_of(*network), session_options);
          }
          return owner;
        },
        [distiller](Napi::Env env, const std::shared_ptr<SessionThread>& owner) -> Napi::Value {
          int64_t bytes = 0;  // momentum buffers are as large as the parameters
          for (const auto& parameter : owner->session->network().module->parameters())
            bytes += static_cast<int64_t>(parameter.nbytes());
          if (distiller) bytes += bytes_of(distiller->modules());
          return SessionHandle::create(env, owner, bytes);
        });
  });
}

}  // namespace reviewkd::binding
