#pragma once
// JavaScript objects that own something native: made by the addon alone, told apart by type tags, disposed by hand or with
// the object.

#include <napi.h>

#include <memory>
#include <utility>

#include "binding/support/errors.h"
#include "binding/support/runtime.h"
#include "core/base/error.h"

namespace reviewkd::binding {

/// `Derived` has `kName`, the name of its class, and `kTag`, a type tag of its own. `Resource` is what it shares with work
/// that is under way, so that disposing an object never takes something from under a native thread.
template <typename Derived, typename Resource>
class Handle : public Napi::ObjectWrap<Derived> {
 public:
  /// What a new object is made of: the resource and the bytes that the garbage collector should know of.
  struct Contents {
    std::shared_ptr<Resource> resource;
    int64_t bytes;
  };

  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Derived>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw Napi::TypeError::New(info.Env(), std::string(Derived::kName) + " objects are made by the addon alone");
    }
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

  /// The resource of a JavaScript value. Throws INVALID_ARGUMENT where it is no such object, DISPOSED where it was disposed.
  static std::shared_ptr<Resource> unwrap(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Derived::kTag)) {
      fail(ErrorCode::kInvalidArgument, "expected a ", Derived::kName, ", got something else");
    }
    return Napi::ObjectWrap<Derived>::Unwrap(value.As<Napi::Object>())->resource();
  }

  std::shared_ptr<Resource> resource() const {
    if (!resource_) fail(ErrorCode::kDisposed, "expected a ", Derived::kName, " that is in use, got one that was disposed");
    return resource_;
  }

  void dispose(const Napi::CallbackInfo& info) { release(info.Env()); }

 protected:
  template <typename... Methods>
  static void define(Napi::Env env, Methods... methods) {
    Runtime::of(env).set_constructor(
        Derived::kName, Napi::ObjectWrap<Derived>::DefineClass(
                            env, Derived::kName, {Napi::ObjectWrap<Derived>::InstanceMethod("dispose", &Derived::dispose), methods...}));
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
