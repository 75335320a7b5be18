// Loads a libtorch before the addon that is linked against one of the same names: the dynamic linker then takes the one that is there already.
// A module of its own, since the addon cannot be loaded before its libtorch is.

#include <napi.h>

#include <string>

#include "core/platform/library.h"

namespace {

namespace platform = reviewkd::platform;

/// (path: string) -> undefined. The library stays for the life of the process, and its symbols are everybody's.
Napi::Value load_library(const Napi::CallbackInfo& info) {
  std::string reason;
  if (platform::load_library(info[0].ToString().Utf8Value(), platform::Symbols::kEverybodys, reason) == nullptr) throw Napi::Error::New(info.Env(), reason);
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("loadLibrary", Napi::Function::New(env, load_library, "loadLibrary"));
  return exports;
}

}  // namespace

NODE_API_MODULE(preload, initialize)
