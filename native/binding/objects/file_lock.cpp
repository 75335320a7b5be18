#include "binding/objects/file_lock.h"

#include "binding/support/arguments.h"
#include "binding/support/async.h"

namespace reviewkd::binding {

void FileLockHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("supported", &FileLockHandle::supported),
                 InstanceMethod("intact", &FileLockHandle::intact), InstanceMethod("write", &FileLockHandle::write));
}

Napi::Value FileLockHandle::supported(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(),
                              [&]() -> Napi::Value { return Napi::Boolean::New(info.Env(), resource()->supported()); });
}

Napi::Value FileLockHandle::intact(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(),
                              [&]() -> Napi::Value { return Napi::Boolean::New(info.Env(), resource()->intact()); });
}

void FileLockHandle::write(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] { resource()->write(string_of(info[0], "text")); });
}

Napi::Value lock_file(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [path = string_of(info[0], "path")] { return FileLock::try_lock(path); },
        [](Napi::Env env, const std::shared_ptr<FileLock>& lock) -> Napi::Value {
          return lock ? Napi::Value(FileLockHandle::create(env, lock, 0)) : env.Undefined();
        });
  });
}

}  // namespace reviewkd::binding
