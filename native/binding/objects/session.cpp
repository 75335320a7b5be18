#include "binding/objects/session.h"

#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/objects/dataset.h"
#include "binding/objects/distiller.h"
#include "binding/objects/model.h"
#include "binding/support/stop_flag.h"
#include "binding/objects/tensor.h"
#include "core/checkpoint/training_checkpoint.h"
#include "core/ops/backend/device.h"

namespace reviewkd::binding {
namespace {

SgdOptions sgd_of(const Options& options) {
  options.choice<bool>("kind", {{"sgd", true}});
  SgdOptions sgd{
      .learning_rate = options.number("learningRate"),
      .momentum = options.number("momentum"),
      .nesterov = options.boolean("nesterov"),
      .weight_decay = options.number("weightDecay"),
      .groups = {},
  };
  for (const Options& entry : options.list("groups")) {
    ParameterGroup group{entry.string("pattern"), entry.number("learningRateScale"), std::nullopt};
    if (entry.has("weightDecay")) group.weight_decay = entry.number("weightDecay");
    sgd.groups.push_back(std::move(group));
  }
  return sgd;
}

SessionOptions session_options_of(const Options& options) {
  SessionOptions session{.optimizer = sgd_of(options.options("optimizer")),
                         .precision = precision_of(options),
                         .accumulate = options.integer("accumulate"),
                         .clip_norm = std::nullopt,
                         .threads = options.has("threads") ? static_cast<int>(options.integer("threads")) : 0,
                         .reference = options.boolean("reference")};
  if (options.has("clipNorm")) session.clip_norm = options.number("clipNorm");
  return session;
}

Schedule schedule_of(const Options& options) {
  Schedule schedule;
  schedule.kind = options.choice<ScheduleKind>(
      "kind", {{"constant", ScheduleKind::kConstant}, {"multi-step", ScheduleKind::kMultiStep}, {"cosine", ScheduleKind::kCosine}});
  schedule.warmup_epochs = options.number("warmupEpochs");
  if (options.has("milestones")) schedule.milestones = options.integers("milestones");
  if (options.has("factor")) schedule.factor = options.number("factor");
  if (options.has("finalScale")) schedule.final_scale = options.number("finalScale");
  return schedule;
}

EpochOptions epoch_options_of(const Options& options) {
  return {
      .epoch = options.integer("epoch"),
      .epochs = options.integer("epochs"),
      .batch_size = options.integer("batchSize"),
      .seed = static_cast<uint64_t>(options.integer("seed")),
      .augment = options.boolean("augment"),
      .schedule = schedule_of(options.options("schedule")),
  };
}

Napi::Object to_js(Napi::Env env, const Losses& losses) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("total", losses.total);
  object.Set("crossEntropy", losses.cross_entropy);
  object.Set("distillation", losses.distillation);
  object.Set("distillationWeight", losses.distillation_weight);
  object.Set("perStage", to_array(env, losses.per_stage()));
  Napi::Array terms = Napi::Array::New(env, losses.terms.size());
  for (uint32_t k = 0; k < losses.terms.size(); ++k) {
    const TermLosses& term = losses.terms[k];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("kind", term.kind);
    entry.Set("loss", term.loss);
    entry.Set("weight", term.weight);
    entry.Set("perStage", to_array(env, term.per_stage));
    terms.Set(k, entry);
  }
  object.Set("terms", terms);
  return object;
}

Napi::Object to_js(Napi::Env env, const StepSeconds& seconds) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("teacher", seconds.teacher);
  object.Set("student", seconds.student);
  object.Set("method", seconds.method);
  object.Set("backward", seconds.backward);
  object.Set("optimizer", seconds.optimizer);
  return object;
}

Napi::Value to_js(Napi::Env env, const EpochState& state) {
  Napi::Object object = Napi::Object::New(env);
  const double images = static_cast<double>(state.images);
  object.Set("epoch", static_cast<double>(state.epoch));
  object.Set("step", static_cast<double>(state.step));
  object.Set("steps", static_cast<double>(state.steps));
  object.Set("images", images);
  object.Set("losses", to_js(env, state.means()));
  object.Set("top1", state.images > 0 ? 100.0 * static_cast<double>(state.correct) / images : 0.0);
  object.Set("learningRate", state.learning_rate);
  object.Set("imagesPerSecond", state.seconds > 0 ? images / state.seconds : 0.0);
  object.Set("seconds", state.seconds);
  object.Set("stallSeconds", state.stall_seconds);
  object.Set("stallFraction", state.seconds > 0 ? state.stall_seconds / state.seconds : 0.0);
  object.Set("brokenImages", static_cast<double>(state.replaced));
  if (state.replayed) {
    Napi::Object graph = Napi::Object::New(env);
    graph.Set("replayed", *state.replayed);
    graph.Set("reason", state.why_not_replayed.empty() ? env.Null() : Napi::String::New(env, state.why_not_replayed));
    object.Set("graph", graph);
  }
  return object;
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

/// Where tasks are posted that are done between two steps of an epoch that runs, or else as soon as the thread is free.
struct NextStep {
  std::shared_ptr<SessionThread> owner;

  void post(std::function<void()> task) {
    owner->interjections.post(std::move(task));
    owner->thread->post([owner = owner] { owner->interjections.run(/*within_epoch=*/false); });
  }
};

}  // namespace

void BetweenStepTasks::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
}

bool BetweenStepTasks::waiting() const {
  const std::lock_guard lock(mutex_);
  return !tasks_.empty();
}

void BetweenStepTasks::run(bool within_epoch) {
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  within_epoch_ = within_epoch;
  for (auto& task : tasks) task();
}

void SessionHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("step", &SessionHandle::step), InstanceMethod("trainEpoch", &SessionHandle::train_epoch),
                 InstanceMethod("evaluate", &SessionHandle::evaluate), InstanceMethod("gradients", &SessionHandle::gradients),
                 InstanceMethod("position", &SessionHandle::position), InstanceMethod("configure", &SessionHandle::configure),
                 InstanceMethod("save", &SessionHandle::save), InstanceMethod("saveWithinEpoch", &SessionHandle::save_within_epoch),
                 InstanceMethod("load", &SessionHandle::load));
}

Napi::Value SessionHandle::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return on_thread(
        info.Env(), resource(),
        [images = TensorHandle::unwrap(info[0]), labels = TensorHandle::unwrap(info[1])](Session& session) {
          return session.step(*images, *labels);
        },
        [](Napi::Env env, const StepResult& result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("losses", to_js(env, result.losses));
          object.Set("step", static_cast<double>(result.step));
          object.Set("learningRate", result.learning_rate);
          object.Set("seconds", to_js(env, result.seconds));
          object.Set("gradientNorm", result.gradient_norm ? Napi::Number::New(env, *result.gradient_norm) : env.Null());
          return object;
        });
  });
}

Napi::Value SessionHandle::train_epoch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const ImageSet images = image_set_of(info[0], "train");
    const EpochOptions options = epoch_options_of(options_of(info[1], "options"));
    const auto stop = StopFlagHandle::unwrap(info[2]);
    const auto owner = resource();
    const auto convert = [](Napi::Env env, const EpochState& state) { return to_js(env, state); };
    const LatestValueCallback<EpochState, decltype(convert)> relay(env, info[3].As<Napi::Function>(), convert);
    return on_thread(
        env, owner,
        [=](Session& session) {
          const auto between_steps = [&](const EpochState& state) {
            relay.send(state);
            // After the last step the epoch is over: a session that went on from there would begin it anew.
            if (state.step < state.steps) owner->interjections.run(/*within_epoch=*/true);
          };
          return session.train_epoch(images, options, between_steps, *stop, [&] { return owner->interjections.waiting(); });
        },
        [](Napi::Env env, const EpochState& state) { return to_js(env, state); }, [relay](Napi::Env env) { relay.release(env); });
  });
}

Napi::Value SessionHandle::evaluate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto owner = resource();
    return evaluate_on(info, owner->thread, owner->session->shared_network(), [owner] { owner->session->use_threads(); });
  });
}

Napi::Value SessionHandle::gradients(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return on_thread(info.Env(), resource(), [](Session& session) { return session.gradients(); }, to_entries);
  });
}

Napi::Value SessionHandle::position(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
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
  return guarded(info.Env(), [&] {
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
  return guarded(info.Env(), [&] {
    return on_thread(
        info.Env(), resource(),
        [path = string_of(info[0], "path"), metadata = metadata_of(info[1], "metadata"), keep_as = string_of(info[2], "keepAs")](Session& session) {
          save_checkpoint(session, path, metadata, keep_as);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value SessionHandle::save_within_epoch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto owner = resource();
    return run_async(
        info.Env(), std::make_shared<NextStep>(NextStep{owner}),
        // The session keeps its tasks, so that a task must not keep the session.
        [session = std::weak_ptr(owner), path = string_of(info[0], "path"), metadata = metadata_of(info[1], "metadata"),
         keep_as = string_of(info[2], "keepAs")] {
          const auto owner = session.lock();
          if (!owner || !owner->interjections.within_epoch()) return false;
          save_checkpoint(*owner->session, path, metadata, keep_as);
          return true;
        },
        [](Napi::Env env, bool saved) -> Napi::Value { return Napi::Boolean::New(env, saved); });
  });
}

Napi::Value SessionHandle::load(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
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
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const Options options = options_of(info[1], "options");
    const SessionOptions session_options = session_options_of(options);
    const bool distills = info[0].IsObject() && info[0].As<Napi::Object>().CheckTypeTag(&DistillerHandle::kTag);
    const auto distiller = distills ? DistillerHandle::unwrap(info[0]) : nullptr;
    const auto network = distills ? distiller->student_network() : ModelHandle::unwrap(info[0]);
    const std::string device_name = options.has("device") ? options.string("device") : "";
    const auto thread = Runtime::of(env).new_thread();
    return run_async(
        env, thread,
        [=] {
          auto owner = std::make_shared<SessionThread>();
          owner->thread = thread;  // from here on the thread ends with its owner, also where what follows throws
          std::optional<at::Device> device;
          if (!device_name.empty()) device = parse_device(device_name);
          move_to(device, *network);
          if (distiller) {
            move_to(device, distiller->teacher());
            if (device) distiller->modules().to(*device);
            owner->session = std::make_unique<Session>(distiller, session_options);
          } else {
            owner->session = std::make_unique<Session>(network, session_options);
          }
          return owner;
        },
        [distiller](Napi::Env env, const std::shared_ptr<SessionThread>& owner) -> Napi::Value {
          int64_t bytes = 0;  // velocities are as large as the parameters
          for (const auto& parameter : owner->session->network().module->parameters()) bytes += static_cast<int64_t>(parameter.nbytes());
          if (distiller) bytes += bytes_of(distiller->modules());
          return SessionHandle::create(env, owner, bytes);
        });
  });
}

}  // namespace reviewkd::binding
