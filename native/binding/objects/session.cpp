#include "binding/objects/session.h"

#include "binding/data/training_images.h"
#include "binding/objects/distiller.h"
#include "binding/objects/model.h"
#include "binding/objects/session_results.h"
#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/checkpoint/training_checkpoint.h"
#include "core/ops/backend/device.h"
#include "core/tasks/registry.h"

namespace reviewkd::binding {
namespace {

/// An array of { images, labels }.
std::vector<Batch> batches_of(const Napi::Value& value) {
  if (!value.IsArray())
    fail(ErrorCode::kInvalidArgument,
         "invalid batches: expected an array, received another value. Pass the batches of one step.");
  const auto array = value.As<Napi::Array>();
  std::vector<Batch> batches;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto batch = array.Get(i).As<Napi::Object>();
    batches.push_back(
        {*TensorHandle::unwrap(batch.Get("images")), Targets::labels(*TensorHandle::unwrap(batch.Get("labels")))});
  }
  return batches;
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

void SessionHandle::define(Napi::Env env) {
  Handle::define(
      env, InstanceMethod("step", &SessionHandle::step), InstanceMethod("trainEpoch", &SessionHandle::train_epoch),
      InstanceMethod("evaluate", &SessionHandle::evaluate), InstanceMethod("gradients", &SessionHandle::gradients),
      InstanceMethod("task", &SessionHandle::task), InstanceMethod("position", &SessionHandle::position),
      InstanceMethod("configure", &SessionHandle::configure), InstanceMethod("save", &SessionHandle::save),
      InstanceMethod("saveWithinEpoch", &SessionHandle::save_within_epoch),
      InstanceMethod("load", &SessionHandle::load));
}

Napi::Value SessionHandle::step(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return on_thread(
        info.Env(), resource(), [batches = batches_of(info[0])](Session& session) { return session.step(batches); },
        [](Napi::Env env, const StepResult& result) { return to_js(env, result); });
  });
}

Napi::Value SessionHandle::train_epoch(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const TrainingImages images = training_images_of(info[0], "train");
    const EpochOptions options = EpochOptions::from(options_of(info[1], "options"));
    const auto stop = StopFlagHandle::unwrap(info[2]);
    const auto owner = resource();
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
  });
}

Napi::Value SessionHandle::evaluate(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto owner = resource();
    return evaluate_on(info, owner->thread, owner->session->shared_network(), owner->session->shared_task(),
                       [owner] { owner->session->use_threads(); });
  });
}

Napi::Value SessionHandle::gradients(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return on_thread(info.Env(), resource(), [](Session& session) { return session.gradients(); }, to_entries);
  });
}

Napi::Value SessionHandle::task(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return to_js(info.Env(), resource()->session->task().info()); });
}

Napi::Value SessionHandle::position(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    struct Position {
      EpochState state;
      int64_t steps;
    };
    return on_thread(
        info.Env(), resource(), [](Session& session) { return Position{session.state(), session.steps()}; },
        [](Napi::Env env, const Position& position) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("epoch", static_cast<double>(position.state.epoch));
          object.Set("step", static_cast<double>(position.state.step));
          object.Set("steps", static_cast<double>(position.state.steps));
          object.Set("totalSteps", static_cast<double>(position.steps));
          return object;
        });
  });
}

Napi::Value SessionHandle::configure(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "options");
    std::optional<int64_t> epoch;
    std::optional<double> rate;
    if (options.has("epoch")) epoch = options.integer("epoch");
    if (options.has("learningRate")) rate = options.number("learningRate");
    return on_thread(
        info.Env(), resource(),
        [epoch, rate](Session& session) {
          if (epoch) session.set_epoch(*epoch);
          if (rate) session.set_learning_rate(*rate);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value SessionHandle::save(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return on_thread(
        info.Env(), resource(),
        [path = string_of(info[0], "path"), metadata = metadata_of(info[1], "metadata"),
         keep_as = string_of(info[2], "keepAs")](Session& session) {
          save_checkpoint(session, path, metadata, keep_as);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value SessionHandle::save_within_epoch(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto owner = resource();
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
  });
}

Napi::Value SessionHandle::load(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return on_thread(
        info.Env(), resource(),
        [path = string_of(info[0], "path"), other_teacher = info[1].ToBoolean().Value()](Session& session) {
          return load_checkpoint(session, path, other_teacher);
        },
        [](Napi::Env env, const Metadata& metadata) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          for (const auto& [key, value] : metadata) object.Set(key, value);
          return object;
        });
  });
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
