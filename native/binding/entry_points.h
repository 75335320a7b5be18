#pragma once
// The addon's surface: a thin layer that only lib/native.ts imports.

#include <napi.h>

namespace reviewkd::binding {

/// Defines what `lib` calls as properties of `exports`. Once per environment, before anything else in the binding.
void define_entry_points(Napi::Env env, Napi::Object exports);

}  // namespace reviewkd::binding
