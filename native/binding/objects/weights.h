#pragma once
// Files of weights, apart from any network.

#include <napi.h>

namespace reviewkd::binding {

/// (path, { key? }) -> Promise<{ format, metadata, tensors, parameters, selection }>: what a file holds, without its values.
Napi::Value read_weights_info(const Napi::CallbackInfo& info);

/// The same with `fit`: which network of the registry it is of.
Napi::Value inspect_weights(const Napi::CallbackInfo& info);

/// (path, { key? }) -> Promise<{ entries, metadata }>
Napi::Value read_state_dict(const Napi::CallbackInfo& info);

/// (path, entries, metadata) -> Promise<void>
Napi::Value write_state_dict(const Napi::CallbackInfo& info);

/// (from, to, { key?, dtype? }, metadata) -> Promise<number of tensors>: in the format that the ending of `to` names.
Napi::Value convert_weights(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
