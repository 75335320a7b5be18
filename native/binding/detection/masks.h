#pragma once
// COCO's masks. A mask crosses as { height, width, counts }, its counts as the compressed string or as a Float64Array;
// all work runs on the background thread.

#include <napi.h>

namespace reviewkd::binding {

/// (pixels: Tensor, compressed: boolean) -> Promise<mask>
Napi::Value encode_mask_of(const Napi::CallbackInfo& info);

/// (pixels: Tensor [N, height, width], compressed: boolean) -> Promise<mask[]>
Napi::Value encode_masks_of(const Napi::CallbackInfo& info);

/// (mask) -> Promise<Tensor>
Napi::Value decode_mask_of(const Napi::CallbackInfo& info);

/// (mask, compressed: boolean) -> Promise<mask>
Napi::Value convert_mask_of(const Napi::CallbackInfo& info);

/// (mask) -> Promise<number>
Napi::Value mask_area_of(const Napi::CallbackInfo& info);

/// (mask) -> Promise<[x, y, width, height]>
Napi::Value mask_box_of(const Napi::CallbackInfo& info);

/// (polygons: Float64Array, each behind its length, height, width) -> Promise<mask>
Napi::Value mask_from_polygons(const Napi::CallbackInfo& info);

/// (box: Float64Array, height, width) -> Promise<mask>
Napi::Value mask_from_box(const Napi::CallbackInfo& info);

/// (masks: mask[], intersect: boolean) -> Promise<mask>
Napi::Value merge_masks_of(const Napi::CallbackInfo& info);

/// (detections: mask[], truths: mask[], isCrowd: Uint8Array) -> Promise<Tensor>
Napi::Value mask_overlaps_of(const Napi::CallbackInfo& info);

/// (detections: Tensor, truths: Tensor, isCrowd: Uint8Array) -> Promise<Tensor>
Napi::Value box_overlaps_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
