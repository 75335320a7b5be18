#pragma once
// An evaluation of detections that JavaScript fills piece by piece, so that its event loop never waits for long.

#include <napi.h>

#include "binding/support/handle.h"
#include "core/data/detection/instance_table.h"

namespace reviewkd::binding {

enum class DetectionMetric { kCoco, kVoc2007, kVoc2010 };

struct DetectionEvaluation {
  OverlapKind kind;
  DetectionMetric metric;
  int64_t categories;
  InstanceTable table;
};

class DetectionEvaluationHandle : public Handle<DetectionEvaluationHandle, DetectionEvaluation> {
 public:
  static constexpr const char* kName = "DetectionEvaluation";
  static constexpr napi_type_tag kTag = {0x3f0b9c6e52a14d78, 0x8e71d5a4c2604b93};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  /// (ids: Float64Array, sizes: Float64Array): height and width of each.
  Napi::Value add_images(const Napi::CallbackInfo& info);
  /// (rows), as NativeInstanceRows in lib/native-types.ts.
  Napi::Value add_rows(const Napi::CallbackInfo& info);
  /// (stop) -> Promise<{ stats, perCategory }>, for COCO also { precision, recall, scores }. Empties the evaluation.
  Napi::Value compute(const Napi::CallbackInfo& info);
};

/// ({ kind, metric, categories }) -> DetectionEvaluation
Napi::Value new_detection_evaluation(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
