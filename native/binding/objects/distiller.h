#pragma once
// JavaScript handles for distillers, and the standalone hierarchical context loss.

#include <napi.h>

#include "binding/support/handle.h"
#include "core/distillation/distiller.h"

namespace reviewkd::binding {

class DistillerHandle : public Handle<DistillerHandle, Distiller> {
 public:
  static constexpr const char* kName = "Distiller";
  static constexpr napi_type_tag kTag = {0xc93a5e7d08b14f62, 0x85e16d4b2fa7c390};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value matching(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value forward_images(const Napi::CallbackInfo& info);
  /// (height, width, batchSize, stop: StopFlag) -> Promise<PairCost>
  Napi::Value measure(const Napi::CallbackInfo& info);
  Napi::Value get_state_dict(const Napi::CallbackInfo& info);
  Napi::Value put_state_dict(const Napi::CallbackInfo& info);
};

/// (teacher: Model, student: Model, method, seed) -> Promise<Distiller>
Napi::Value create_distiller(const Napi::CallbackInfo& info);

/// (student: Tensor, teacher: Tensor) -> Promise<{ loss, gradient }>
Napi::Value hierarchical_context_loss_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
