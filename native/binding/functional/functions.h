#pragma once
// Operations and inner parts of detectors that JavaScript calls by their names.

#include <napi.h>

namespace reviewkd::binding {

/// (name: string, inputs: tree of tensors, options: object) -> Promise of a tree of tensors. With a gradient of the
/// output among the inputs or options: { output, gradients }.
Napi::Value call_function(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
