#include "binding/objects/session.h"

#include "binding/data/training_images.h"
#include "binding/distributed/process_group.h"
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
#include "core/distributed/data_parallel.h"
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

/// Reports an error of this process to the others, so that they no longer wait. Returns whether it is one of this process
/// alone: all of them stop, or meet such a loss, at the same step.
bool report_to_peers(ProcessGroup& group, const Error& error) {
  if (error.code() == ErrorCode::kAborted || error.code() == ErrorCode::kNonFiniteLoss) return false;
  group.report_error(to_string(error.code()), error.what());
  return true;
}

/// Runs work that other processes take part in. After an error of this one alone they receive the reason.
template <typename Work>
auto with_peers(const SessionThread& owner, const Work& work) {
  try {
    return work();
  } catch (...) {
    const bool has_peers = owner.session->peers() != nullptr;
    if (has_peers && report_to_peers(*owner.group, to_error(std::current_exception()))) owner.session->leave_peers();
    throw;
  }
}

/// Evaluates with the other processes of the session.
RunEvaluation together(const std::shared_ptr<SessionThread>& owner) {
  return [owner](const std::function<Evaluation(Peers*)>& evaluate) {
    owner->session->check_peers();
    return with_peers(*owner, [&] { return evaluate(owner->session->peers()); });
  };
}

DataParallel& data_parallel_of(Session& session) {
  session.check_peers();
  auto* peers = dynamic_cast<DataParallel*>(session.peers());
  if (peers == nullptr) fail(ErrorCode::kInternal, "invalid session: expected one with a process group.");
  return *peers;
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

/// The methods of JavaScript's `Session`; see NativeSession in lib/native-types.ts.
namespace session_methods {
namespace {

using Owner = std::shared_ptr<SessionThread>;

Napi::Value step(const Napi::CallbackInfo& info, const Owner& owner) {
  const TensorTree given = TensorTree::Record{{"batches", tensor_tree_of(info[0], "batches")}};
  return on_thread(
      info.Env(), owner,
      [given, owner](Session& session) {
        return with_peers(*owner, [&] {
          std::vector<Batch> batches;
          for (const TensorTree& batch : given.list("batches")) batches.push_back(batch_of(batch, session.network()));
          return session.step(batches);
        });
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
        return with_peers(*owner, [&] {
          return session.train_epoch(
              images, options, [&](const EpochState& state) { latest.send(state); }, *stop,
              [&] { return owner->between_steps.waiting(); }, [&] { owner->between_steps.run(/*within_epoch=*/true); });
        });
      },
      convert, [latest](Napi::Env env) { latest.release(env); });
}

Napi::Value evaluate(const Napi::CallbackInfo& info, const Owner& owner) {
  return evaluate_on(
      info, owner->thread, owner->session->shared_network(), owner->session->shared_task(),
      [owner] { owner->session->use_threads(); }, together(owner));
}

Napi::Value evaluate_teacher(const Napi::CallbackInfo& info, const Owner& owner) {
  const auto teacher = owner->session->shared_teacher();
  if (teacher == nullptr)
    fail(ErrorCode::kInvalidArgument,
         "invalid session: expected one of a distiller, received one of a single network.");
  return evaluate_on(
      info, owner->thread, teacher, task_of(*teacher), [owner] { owner->session->use_threads(); }, together(owner));
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

Napi::Value share(const Napi::CallbackInfo& info, const Owner& owner) {
  return on_thread(
      info.Env(), owner,
      [owner](Session& session) {
        with_peers(*owner, [&] { data_parallel_of(session).share_state(); });
        return Nothing{};
      },
      to_undefined);
}

Napi::Value check_same(const Napi::CallbackInfo& info, const Owner& owner) {
  return on_thread(
      info.Env(), owner,
      [owner](Session& session) {
        with_peers(*owner, [&] { data_parallel_of(session).check_same_state(); });
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
                 InstanceMethod("share", &SessionHandle::call<session_methods::share>),
                 InstanceMethod("checkSame", &SessionHandle::call<session_methods::check_same>),
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
    std::shared_ptr<ProcessGroup> group;
    std::string name;
    int64_t device_index = 0;
    if (info[2].IsObject()) {
      const Napi::Object peers = info[2].As<Napi::Object>();
      group = ProcessGroupHandle::unwrap(peers.Get("group"))->group;
      name = string_of(peers.Get("name"), "name");
      device_index = integer_of(peers.Get("localRank"), "localRank");
    }
    const auto thread = Runtime::of(env).new_thread();
    const auto create = [=](SessionThread& owner) {
      std::optional<at::Device> device;
      if (!device_name.empty()) device = parse_device(device_name, device_index);
      // Each process of a machine has a device of its own.
      else if (group && network->device().is_cuda()) device = parse_device("cuda", device_index);
      move_to(device, *network);
      if (distiller) {
        move_to(device, distiller->teacher());
        if (device) distiller->modules().to(*device);
        owner.session = std::make_unique<Session>(distiller, task_of(*network), session_options);
      } else {
        owner.session = std::make_unique<Session>(network, task_of(*network), session_options);
      }
      if (group) {
        owner.group = group;
        owner.session->join(std::make_unique<DataParallel>(group, *owner.session, name));
      }
    };
    return run_async(
        env, thread,
        [=] {
          auto owner = std::make_shared<SessionThread>();
          owner->thread = thread;  // from here on the thread ends with its owner, also if what follows throws
          try {
            create(*owner);
          } catch (...) {
            // The others wait for the connections of this session.
            if (group) report_to_peers(*group, to_error(std::current_exception()));
            throw;
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
