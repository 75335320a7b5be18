#pragma once
// What this addon runs on.

#include <napi.h>

namespace reviewkd::binding {

/// () -> Promise of libtorch's version and place, CUDA devices, threads and the instruction set in use.
Napi::Value system_info(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
