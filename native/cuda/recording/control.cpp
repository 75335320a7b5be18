// A Node addon through which a program on the recording runtime controls it: process.dlopen provides
//   preload(path)      loads a library before anything else requires it
//   mark(text)         adds a line to the recording
//   failNext(list)     like REVIEWKD_RECORDING_FAIL, from now on
//   state()            { deviceBytes, deviceBytesPeak, pinnedBytes, streams, events, graphs, graphExecs, captures }

#include <dlfcn.h>
#include <node_api.h>

#include <string>

namespace {

template <typename Function>
Function* entry(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

std::string argument(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value value = nullptr;
  napi_get_cb_info(env, info, &count, &value, nullptr, nullptr);
  napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

template <const char* const* kName>
napi_value pass_text(napi_env env, napi_callback_info info) {
  auto* function = entry<void(const char*)>(*kName);
  if (function == nullptr) napi_throw_error(env, nullptr, "the recording runtime is not preloaded");
  else function(argument(env, info).c_str());
  return nullptr;
}

napi_value preload(napi_env env, napi_callback_info info) {
  if (dlopen(argument(env, info).c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) napi_throw_error(env, nullptr, dlerror());
  return nullptr;
}

constexpr const char* kMark = "reviewkd_recording_mark";
constexpr const char* kFailNext = "reviewkd_recording_fail_next";

napi_value state(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_object(env, &result);
  using Visit = void(void*, const char*, int64_t);
  struct Target {
    napi_env env;
    napi_value object;
  } target{env, result};
  Visit* visit = [](void* to, const char* key, int64_t number) {
    const auto* into = static_cast<Target*>(to);
    napi_value value = nullptr;
    napi_create_int64(into->env, number, &value);
    napi_set_named_property(into->env, into->object, key, value);
  };
  if (auto* function = entry<void(Visit*, void*)>("reviewkd_recording_state")) function(visit, &target);
  return result;
}

void add(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

napi_value init(napi_env env, napi_value exports) {
  add(env, exports, "preload", &preload);
  add(env, exports, "mark", &pass_text<&kMark>);
  add(env, exports, "failNext", &pass_text<&kFailNext>);
  add(env, exports, "state", &state);
  return exports;
}

}  // namespace

NAPI_MODULE(reviewkd_recording, init)
