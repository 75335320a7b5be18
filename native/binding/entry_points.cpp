#include "binding/entry_points.h"

#include "binding/data/batch_queue.h"
#include "binding/data/dataset.h"
#include "binding/detection/evaluation.h"
#include "binding/detection/masks.h"
#include "binding/functional/functions.h"
#include "binding/objects/detector.h"
#include "binding/objects/distiller.h"
#include "binding/objects/file_lock.h"
#include "binding/objects/model.h"
#include "binding/objects/session.h"
#include "binding/objects/session_results.h"
#include "binding/objects/system.h"
#include "binding/objects/tensor.h"
#include "binding/objects/weights.h"
#include "binding/support/runtime.h"
#include "binding/support/stop_flag.h"
#include "core/ops/backend/allocator.h"
#include "core/ops/backend/device.h"
#include "core/platform/library.h"

namespace reviewkd::binding {
namespace {

/// (errorClass, follow?: (promise) => promise) -> undefined
Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    if (!info[0].IsFunction()) fail(ErrorCode::kInvalidArgument, "invalid error class: expected a class.");
    Runtime::of(info.Env())
        .set_error_class(info[0].As<Napi::Function>(),
                         info[1].IsFunction() ? info[1].As<Napi::Function>() : Napi::Function());
    return info.Env().Undefined();
  });
}

/// () -> undefined. process.exit() runs no cleanup hooks: it destroys libtorch's static objects while threads still
/// use them.
Napi::Value shut_down(const Napi::CallbackInfo& info) {
  Runtime::of(info.Env()).shut_down();
  return info.Env().Undefined();
}

}  // namespace

void define_entry_points(Napi::Env env, Napi::Object exports) {
  // A worker thread that exits would otherwise unload the addon, and with it libtorch, while libtorch's threads still
  // run.
  platform::keep_loaded(reinterpret_cast<const void*>(&define_entry_points));
  load_cuda_half();
  install_caching_allocator();
  env.SetInstanceData(new Runtime(env));  // owned by the environment from here on
  TensorHandle::define(env);
  StopFlagHandle::define(env);
  ModelHandle::define(env);
  DatasetHandle::define(env);
  BatchReaderHandle::define(env);
  BatchQueueHandle::define(env);
  DistillerHandle::define(env);
  SessionHandle::define(env);
  FileLockHandle::define(env);
  DetectionEvaluationHandle::define(env);

  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("setErrorClass", set_error_class);
  add("shutDown", shut_down);
  add("systemInfo", system_info);
  add("availableProcessors", available_processors);
  add("offerCudaPlugin", offer_cuda_plugin);
  add("listModels", list_models);
  add("listImageSizes", list_image_sizes);
  add("listDetectors", list_detectors);
  add("detectorInfo", detector_info);
  add("listTasks", list_tasks);
  add("tensorFrom", tensor_from);
  add("newStopFlag", new_stop_flag);
  add("createModel", create_model);
  add("readWeightsInfo", read_weights_info);
  add("matchWeights", match_weights);
  add("readStateDict", read_state_dict);
  add("writeStateDict", write_state_dict);
  add("convertWeights", convert_weights);
  add("loadDataset", load_dataset);
  add("newBatchQueue", new_batch_queue);
  add("newDetectionQueue", new_detection_queue);
  add("dataOrder", data_order_of);
  add("randomResizedCrop", random_resized_crop_of);
  add("createDistiller", create_distiller);
  add("createSession", create_session);
  add("lockFile", lock_file);
  add("hierarchicalContextLoss", hierarchical_context_loss_of);
  add("callFunction", call_function);
  add("createDetector", create_detector);
  add("encodeMask", encode_mask_of);
  add("encodeMasks", encode_masks_of);
  add("decodeMask", decode_mask_of);
  add("convertMask", convert_mask_of);
  add("maskArea", mask_area_of);
  add("maskBox", mask_box_of);
  add("maskFromPolygons", mask_from_polygons);
  add("maskFromBox", mask_from_box);
  add("mergeMasks", merge_masks_of);
  add("maskOverlaps", mask_overlaps_of);
  add("boxOverlaps", box_overlaps_of);
  add("newDetectionEvaluation", new_detection_evaluation);
}

}  // namespace reviewkd::binding
