#pragma once
// Networks as JavaScript holds them.

#include <napi.h>

#include "binding/support/handle.h"
#include "core/models/backbone.h"
#include "core/models/state_dict.h"

namespace reviewkd::binding {

class ModelHandle : public Handle<ModelHandle, Network> {
 public:
  static constexpr const char* kName = "Model";
  static constexpr napi_type_tag kTag = {0x6b8d1f2ea07c4935, 0xb3c95d10e8f64a72};

  using Handle::Handle;
  static void define(Napi::Env env);
  static Napi::Object from(Napi::Env env, std::shared_ptr<Network> network);

 private:
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value feature_specs(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value get_state_dict(const Napi::CallbackInfo& info);
  Napi::Value put_state_dict(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value task(const Napi::CallbackInfo& info);
  Napi::Value load_detector(const Napi::CallbackInfo& info);
  Napi::Value detect(const Napi::CallbackInfo& info);
  Napi::Value forward_images(const Napi::CallbackInfo& info);
  Napi::Value trace_onnx(const Napi::CallbackInfo& info);
  Napi::Value cost(const Napi::CallbackInfo& info);
  Napi::Value classify(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
};

/// ({ name, numClasses, seed, dtype, device }) -> Promise<Model>
Napi::Value create_model(const Napi::CallbackInfo& info);

/// ({ name, seed, dtype, device, detection }) -> Promise<Model>
Napi::Value create_detector(const Napi::CallbackInfo& info);

/// () -> { [name]: [height, width] } of the images in each network's published results
Napi::Value list_image_sizes(const Napi::CallbackInfo& info);

/// () -> the rows of the model registry
Napi::Value list_models(const Napi::CallbackInfo& info);

/// Bytes of a module's parameters and buffers.
int64_t bytes_of(const torch::nn::Module& module);

}  // namespace reviewkd::binding
