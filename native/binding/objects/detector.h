#pragma once
// What detectors have in addition to other networks: images of any sizes, and objects found in them.

#include <napi.h>

#include "core/models/backbone.h"

namespace reviewkd::binding {

/// ({ name, numClasses, seed, dtype, device, detection }) -> Promise<Model>
Napi::Value create_detector(const Napi::CallbackInfo& info);

/// (images: Tensor[], { maskThreshold?: number }) -> Promise<{ boxes, scores, labels, masks? }[]>
Napi::Value detect_with(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

/// (images: Tensor[], { mode }) -> Promise<{ input, imageSizes, levels, proposals?, … }>
Napi::Value forward_detector(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

}  // namespace reviewkd::binding
