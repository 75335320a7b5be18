#pragma once
// Weight files, independent of any network, and the results of loading them.

#include <napi.h>

#include "core/checkpoint/weights_reader.h"
#include "core/models/state_dict.h"

namespace reviewkd::binding {

/// A path, or [index, shard, …].
WeightsPath weights_path_of(const Napi::Value& value);

/// { missing, unexpected, mismatched }
Napi::Object to_js(Napi::Env env, const StateDifferences& differences);
/// The same with `matched`, `prefixes`, `layout` and `leftAside`.
Napi::Object to_js(Napi::Env env, const LoadReport& report);

/// (path, { key? }) -> Promise<{ format, metadata, tensors, parameters, selection, detector }>: a file's contents
/// without the values.
Napi::Value read_weights_info(const Napi::CallbackInfo& info);

/// (path, { key?, detection? }) -> Promise<{ name, numClasses, matching, entries, differences, prefix, layout,
/// difference, otherPrefixes, names } | null>: the network of the registry that the file fits best, or with `detection`,
/// the switches and number of classes, the detector. `names`: of each entry of the file in the network, or null.
Napi::Value match_weights(const Napi::CallbackInfo& info);

/// (path, { key? }) -> Promise<{ entries, metadata }>
Napi::Value read_state_dict(const Napi::CallbackInfo& info);

/// (path, entries, metadata) -> Promise<void>
Napi::Value write_state_dict(const Napi::CallbackInfo& info);

/// (from, to, { key?, dtype? }, metadata) -> Promise<number of tensors>: writes the format named by the extension of
/// `to`.
Napi::Value convert_weights(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
