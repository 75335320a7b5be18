#include "binding/distributed/process_group.h"

#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/distributed/nccl.h"

namespace reviewkd::binding {

/// The methods of JavaScript's `ProcessGroup`; see NativeProcessGroup in lib/native-types.ts.
namespace process_group_methods {
namespace {

using Owner = std::shared_ptr<GroupThread>;

Napi::Value members(const Napi::CallbackInfo& info, const Owner& owner) {
  const Napi::Env env = info.Env();
  Napi::Array members = Napi::Array::New(env);
  for (const Member& member : owner->group->members()) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("rank", static_cast<double>(member.rank));
    object.Set("host", member.host);
    object.Set("processId", static_cast<double>(member.process_id));
    members.Set(members.Length(), object);
  }
  return members;
}

Napi::Value exchange(const Napi::CallbackInfo& info, const Owner& owner) {
  return run_async(
      info.Env(), owner->thread, [owner, text = string_of(info[0], "text")] { return owner->group->exchange(text); },
      [](Napi::Env env, const std::vector<std::string>& texts) -> Napi::Value { return to_array(env, texts); });
}

Napi::Value report_error(const Napi::CallbackInfo& info, const Owner& owner) {
  // The group's own thread may wait for the others.
  const auto thread = Runtime::of(info.Env()).new_thread();
  const auto promise = run_async(
      info.Env(), thread,
      [owner, code = string_of(info[0], "code"), message = string_of(info[1], "message")] {
        owner->group->report_error(code, message);
        return Nothing{};
      },
      to_undefined);
  thread->close();
  return promise;
}

Napi::Value leave(const Napi::CallbackInfo& info, const Owner& owner) {
  return run_async(
      info.Env(), owner->thread,
      [owner] {
        owner->group->leave();
        owner->cores.reset();
        return Nothing{};
      },
      to_undefined);
}

}  // namespace
}  // namespace process_group_methods

void ProcessGroupHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("members", &ProcessGroupHandle::call<process_group_methods::members>),
                 InstanceMethod("exchange", &ProcessGroupHandle::call<process_group_methods::exchange>),
                 InstanceMethod("reportError", &ProcessGroupHandle::call<process_group_methods::report_error>),
                 InstanceMethod("leave", &ProcessGroupHandle::call<process_group_methods::leave>));
}

Napi::Value join_process_group(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options given = options_of(info[0], "options");
    const JoinOptions options = JoinOptions::from(given);
    const auto local_size = static_cast<int>(given.integer("localSize"));
    const auto stop = StopFlagHandle::unwrap(info[1]);
    set_nccl_defaults();
    auto& runtime = Runtime::of(info.Env());
    const auto thread = runtime.new_thread();
    return run_async(
        info.Env(), thread,
        [=, is_abandoned = runtime.new_stop_flag()] {
          auto owner = std::make_shared<GroupThread>();
          owner->thread = thread;
          owner->group = ProcessGroup::join(options, *stop, is_abandoned);
          owner->cores.emplace(local_size);
          return owner;
        },
        [](Napi::Env env, const std::shared_ptr<GroupThread>& owner) -> Napi::Value {
          return ProcessGroupHandle::create(env, owner, 0);
        });
  });
}

Napi::Value process_group_backends_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(), [] { return process_group_backends(); },
        [](Napi::Env env, const std::vector<std::string>& names) -> Napi::Value { return to_array(env, names); });
  });
}

}  // namespace reviewkd::binding
