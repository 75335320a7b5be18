#pragma once
// JavaScript objects that own a native resource: created only by the addon, distinguished by type tags, disposed
// explicitly or with the object.

#include <napi.h>

#include <memory>
#include <utility>

#include "binding/support/errors.h"
#include "binding/support/runtime.h"
#include "core/base/error.h"

namespace reviewkd::binding {

/// `Derived` has `kName`, the name of its class, and `kTag`, a unique type tag. `Resource` is shared with work in
/// progress, so that disposing an object never frees memory that a native thread uses.
template <typename Derived, typename Resource>
class Handle : public Napi::ObjectWrap<Derived> {
 public:
  /// The contents of a new object: the resource and its size in bytes as reported to the garbage collector.
  struct Contents {
    std::shared_ptr<Resource> resource;
    int64_t bytes;
  };

  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Derived>(info) {
    translate_exceptions(info.Env(), [&] {
      if (info.Length() == 1 && info[0].IsExternal()) return;
      fail(ErrorCode::kInvalidArgument, "invalid construction of a ", Derived::kName,
           ": expected one by the addon, received a call of its class.");
    });
    const auto* contents = info[0].As<Napi::External<Contents>>().Data();
    resource_ = contents->resource;
    bytes_ = contents->bytes;
    info.This().As<Napi::Object>().TypeTag(&Derived::kTag);
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
  }

  void Finalize(Napi::BasicEnv env) override { release(env); }

  static Napi::Object create(Napi::Env env, std::shared_ptr<Resource> resource, int64_t bytes) {
    Contents contents{std::move(resource), bytes};
    return Runtime::of(env).constructor(Derived::kName).New({Napi::External<Contents>::New(env, &contents)});
  }

  /// The resource of a JavaScript value. Throws INVALID_ARGUMENT for any other value and DISPOSED after disposal.
  static std::shared_ptr<Resource> unwrap(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Derived::kTag)) {
      fail(ErrorCode::kInvalidArgument, "invalid object: expected a ", Derived::kName, ", received another value.");
    }
    return Napi::ObjectWrap<Derived>::Unwrap(value.As<Napi::Object>())->resource();
  }

  std::shared_ptr<Resource> resource() const {
    if (!resource_) fail(ErrorCode::kDisposed, "this ", Derived::kName, " is disposed. Create a new one.");
    return resource_;
  }

  void dispose(const Napi::CallbackInfo& info) { release(info.Env()); }

 protected:
  /// Calls `method(info, resource)` with the object's resource; exceptions become JavaScript errors.
  template <auto method>
  Napi::Value call(const Napi::CallbackInfo& info) {
    return translate_exceptions(info.Env(), [&]() -> Napi::Value { return method(info, resource()); });
  }

  template <typename... Methods>
  static void define(Napi::Env env, Methods... methods) {
    Runtime::of(env).set_constructor(
        Derived::kName, Napi::ObjectWrap<Derived>::DefineClass(
                            env, Derived::kName,
                            {Napi::ObjectWrap<Derived>::InstanceMethod("dispose", &Derived::dispose), methods...}));
  }

 private:
  void release(Napi::BasicEnv env) {
    if (!resource_) return;
    resource_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
  }

  std::shared_ptr<Resource> resource_;
  int64_t bytes_ = 0;
};

}  // namespace reviewkd::binding
