#pragma once
// What detectors have in addition to other networks: images of any sizes, and objects found in them.

#include <napi.h>

#include "binding/functional/tensor_tree.h"
#include "core/base/options.h"
#include "core/models/backbone.h"
#include "core/models/detection/detector.h"
#include "core/models/state_dict.h"

namespace reviewkd::binding {

/// options: { name, seed, dtype, device, detection }, the latter with numClasses. Throws UNKNOWN_NAME, INVALID_ARGUMENT.
std::shared_ptr<Network> build_detector_network(const Options& options);

/// () -> string[]: the names of all detectors.
Napi::Value list_detectors(const Napi::CallbackInfo& info);

/// (name) -> { task, levels: string[] } of a detector that is not built. Throws UNKNOWN_NAME.
Napi::Value detector_info(const Napi::CallbackInfo& info);

/// (images: Tensor[], { maskThreshold?: number }) -> Promise<{ boxes, scores, labels, masks? }[]>
Napi::Value detect_with(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

/// (images: Tensor[], { mode }) -> Promise<{ input, imageSizes, levels, proposals?, … }>
Napi::Value forward_detector(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

/// (path, { strict, key?, part }) -> Promise<{ matched, missing, unexpected, mismatched, unused }>
Napi::Value load_detector_with(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network);

/// Throws DTYPE_MISMATCH unless an image is of floating point: bytes would be 255 times too bright.
void require_values(const at::Tensor& image);

/// Images of a call in the network's type and on its device. Throws SHAPE_MISMATCH, DTYPE_MISMATCH, INVALID_ARGUMENT.
std::vector<at::Tensor> images_for(const Network& network, const std::vector<at::Tensor>& images);

/// { input, imageSizes, levels } of a detector's pyramid.
TensorTree pyramid_output(const detection::DetectorImpl& detector, const ImageBatch& batch,
                          const BackboneOutput& output);
/// The same with the outputs of its heads.
TensorTree detector_output(detection::DetectorImpl& detector, const ImageBatch& batch, const BackboneOutput& output,
                           bool training);

/// Whose names a state dict has.
enum class StateNames { kTorchvision, kDetectron2 };

/// "torchvision", "detectron2" or undefined.
StateNames state_names_of(const Napi::Value& value);

/// The entries of a network's state, its gradients or a part of them, by other names; a distiller's student's below
/// "student.". Throws INVALID_ARGUMENT unless the network is a detector.
NamedTensors to_names(const Network& network, const NamedTensors& state, StateNames names);
NamedTensors from_names(const Network& network, const NamedTensors& state, StateNames names);

}  // namespace reviewkd::binding
