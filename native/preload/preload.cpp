// Loads a libtorch before the addon, so that the dynamic linker reuses it for the libraries of the same names that
// the addon was linked against. A separate module, since the addon cannot be loaded before its libtorch is.

#include <napi.h>

#include <string>

#include "core/platform/library.h"

namespace {

namespace platform = reviewkd::platform;

/// (path: string) -> undefined. The library stays loaded for the life of the process, with globally visible symbols.
Napi::Value load_library(const Napi::CallbackInfo& info) {
  std::string reason;
  if (platform::load_library(info[0].ToString().Utf8Value(), platform::Symbols::kGlobal, reason) == nullptr)
    throw Napi::Error::New(info.Env(), reason);
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("loadLibrary", Napi::Function::New(env, load_library, "loadLibrary"));
  return exports;
}

}  // namespace

NODE_API_MODULE(preload, initialize)
