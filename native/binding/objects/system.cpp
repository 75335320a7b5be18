#include "binding/objects/system.h"

#include <ATen/Version.h>
#include <torch/version.h>

#include <cstdlib>

#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/ops/backend/device.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/threads/default_threads.h"

namespace reviewkd::binding {

namespace {

struct Found {
  CudaStatus cuda;
  bool has_plugin_status;
  ops::KernelBackendStatus plugin;
};

Napi::Value to_js(Napi::Env env, const ops::KernelBackendStatus& plugin) {
  const auto text = [&](const std::string& value) -> Napi::Value {
    return value.empty() ? env.Null() : Napi::String::New(env, value);
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("loaded", plugin.table != nullptr);
  object.Set("path", text(plugin.path));
  object.Set("builtFor", text(plugin.table != nullptr ? plugin.table->built_for : ""));
  object.Set("reason", text(plugin.reason));
  object.Set("fix", text(plugin.fix));
  return object;
}

}  // namespace

Napi::Value offer_cuda_plugin(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    ops::offer_kernel_backend(string_of(info[0], "path"));
    return info.Env().Undefined();
  });
}

Napi::Value available_processors(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return Napi::Number::New(info.Env(), ops::available_processors()); });
}

Napi::Value system_info(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [] {
          const CudaStatus& status = cuda_status();
          // Without a device the plugin is useless, unless it is requested explicitly.
          const bool wanted = status.available || std::getenv("REVIEWKD_CUDA_PLUGIN") != nullptr;
          return Found{status, wanted, wanted ? ops::kernel_backend_status() : ops::KernelBackendStatus{}};
        },
        [](Napi::Env env, const Found& found) -> Napi::Value {
          const CudaStatus& status = found.cuda;
          Napi::Object libtorch = Napi::Object::New(env);
          libtorch.Set("version", TORCH_VERSION);
          libtorch.Set("path", libtorch_directory());
          libtorch.Set("cudaBuild", libtorch_is_cuda_build());
          Napi::Object cuda = Napi::Object::New(env);
          cuda.Set("available", status.available);
          cuda.Set("devices", to_array(env, status.devices));
          cuda.Set("reason", status.available ? env.Null() : Napi::String::New(env, status.reason));
          cuda.Set("plugin", found.has_plugin_status ? to_js(env, found.plugin) : env.Null());
          Napi::Object object = Napi::Object::New(env);
          object.Set("libtorch", libtorch);
          object.Set("cuda", cuda);
          const auto [threads, origin] = ops::default_threads();
          object.Set("threads", threads);
          object.Set("threadsFrom", std::string(ops::name_of(origin)));
          object.Set("capability", at::get_cpu_capability());
          return object;
        });
  });
}

}  // namespace reviewkd::binding
