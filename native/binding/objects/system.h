#pragma once
// What this addon runs on.

#include <napi.h>

namespace reviewkd::binding {

/// () -> Promise of libtorch's version and place, CUDA devices, threads and the instruction set in use.
Napi::Value system_info(const Napi::CallbackInfo& info);

/// (path) -> undefined. A plugin for CUDA devices to look at, before the first use of one.
Napi::Value offer_cuda_plugin(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
