#pragma once
// Information about the system that this addon runs on.

#include <napi.h>

namespace reviewkd::binding {

/// () -> Promise of libtorch's version and location, CUDA devices, threads and the instruction set in use.
Napi::Value system_info(const Napi::CallbackInfo& info);

/// () -> number of processors that this process may use.
Napi::Value available_processors(const Napi::CallbackInfo& info);

/// (path) -> undefined. Registers a plugin for CUDA devices to try before the first use of one.
Napi::Value offer_cuda_plugin(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
