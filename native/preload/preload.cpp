// Loads a libtorch before the addon that is linked against one of the same names: the dynamic linker then takes the one that is there already.
// A module of its own, since the addon cannot be loaded before its libtorch is.

#include <dlfcn.h>
#include <napi.h>

#include <string>

namespace {

/// (path: string) -> undefined. The library stays for the life of the process, and its symbols are everybody's.
Napi::Value load_library(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) == nullptr) {
    const char* reason = dlerror();
    throw Napi::Error::New(info.Env(), reason != nullptr ? reason : path + ": cannot be loaded");
  }
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("loadLibrary", Napi::Function::New(env, load_library, "loadLibrary"));
  return exports;
}

}  // namespace

NODE_API_MODULE(preload, initialize)
