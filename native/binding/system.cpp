#include "binding/system.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "binding/async.h"
#include "binding/tensor.h"
#include "core/device.h"

namespace reviewkd::binding {

Napi::Value system_info(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(), [] { return cuda_status(); },
        [](Napi::Env env, const CudaStatus& status) -> Napi::Value {
          Napi::Object libtorch = Napi::Object::New(env);
          libtorch.Set("version", TORCH_VERSION);
          libtorch.Set("path", libtorch_directory());
          libtorch.Set("cudaBuild", libtorch_is_cuda_build());
          Napi::Object cuda = Napi::Object::New(env);
          cuda.Set("available", status.available);
          cuda.Set("devices", to_array(env, status.devices));
          cuda.Set("reason", status.available ? env.Null() : Napi::String::New(env, status.reason));
          Napi::Object object = Napi::Object::New(env);
          object.Set("libtorch", libtorch);
          object.Set("cuda", cuda);
          object.Set("threads", at::get_num_threads());
          object.Set("capability", at::get_cpu_capability());
          return object;
        });
  });
}

}  // namespace reviewkd::binding
