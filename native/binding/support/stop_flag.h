#pragma once
// The native counterpart of an AbortSignal.

#include <napi.h>

#include "binding/support/handle.h"

namespace reviewkd::binding {

class StopFlagHandle : public Handle<StopFlagHandle, std::atomic<bool>> {
 public:
  static constexpr const char* kName = "StopFlag";
  static constexpr napi_type_tag kTag = {0x1d6f0c5ae2b94c38, 0x8a4be1f7c3d02965};

  using Handle::Handle;
  static void define(Napi::Env env) { Handle::define(env, InstanceMethod("set", &StopFlagHandle::set)); }

 private:
  void set(const Napi::CallbackInfo& info) {
    translate_exceptions(info.Env(), [&] { resource()->store(true); });
  }
};

/// () -> StopFlag, which is also set at shutdown of the environment.
inline Napi::Value new_stop_flag(const Napi::CallbackInfo& info) {
  return StopFlagHandle::create(info.Env(), Runtime::of(info.Env()).new_stop_flag(), 0);
}

}  // namespace reviewkd::binding
