#include "binding/entry_points.h"

#include "binding/data/batch_queue.h"
#include "binding/data/dataset.h"
#include "binding/detection/evaluation.h"
#include "binding/detection/masks.h"
#include "binding/distributed/process_group.h"
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
#include "binding/onnx/onnx_graph.h"
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

/// (exitCode?) -> undefined. process.exit() runs no cleanup hooks: it destroys libtorch's static objects while threads
/// still use them. With an exit code, waits for a short time alone, and otherwise ends the process by it.
Napi::Value shut_down(const Napi::CallbackInfo& info) {
  auto& runtime = Runtime::of(info.Env());
  if (info[0].IsNumber()) runtime.shut_down_or_exit(info[0].As<Napi::Number>().Int32Value());
  else runtime.shut_down();
  return info.Env().Undefined();
}

struct EntryPoint {
  const char* name;
  Napi::Value (*function)(const Napi::CallbackInfo&);
};

/// Functions of the addon that are not methods, by their names in TypeScript.
constexpr EntryPoint kEntryPoints[] = {
    {"setErrorClass", set_error_class},
    {"shutDown", shut_down},
    {"systemInfo", system_info},
    {"availableProcessors", available_processors},
    {"offerCudaPlugin", offer_cuda_plugin},
    {"listModels", list_models},
    {"listImageSizes", list_image_sizes},
    {"listDetectors", list_detectors},
    {"detectorInfo", detector_info},
    {"listTasks", list_tasks},
    {"tensorFrom", tensor_from},
    {"newStopFlag", new_stop_flag},
    {"createModel", create_model},
    {"readWeightsInfo", read_weights_info},
    {"matchWeights", match_weights},
    {"readStateDict", read_state_dict},
    {"writeStateDict", write_state_dict},
    {"convertWeights", convert_weights},
    {"loadDataset", load_dataset},
    {"newBatchQueue", new_batch_queue},
    {"newDetectionQueue", new_detection_queue},
    {"dataOrder", data_order_of},
    {"randomResizedCrop", random_resized_crop_of},
    {"createDistiller", create_distiller},
    {"createSession", create_session},
    {"lockFile", lock_file},
    {"joinProcessGroup", join_process_group},
    {"processGroupBackends", process_group_backends_of},
    {"hierarchicalContextLoss", hierarchical_context_loss_of},
    {"callFunction", call_function},
    {"createDetector", create_detector},
    {"encodeMask", encode_mask_of},
    {"encodeMasks", encode_masks_of},
    {"decodeMask", decode_mask_of},
    {"convertMask", convert_mask_of},
    {"maskArea", mask_area_of},
    {"maskBox", mask_box_of},
    {"maskFromPolygons", mask_from_polygons},
    {"maskFromBox", mask_from_box},
    {"mergeMasks", merge_masks_of},
    {"maskOverlaps", mask_overlaps_of},
    {"boxOverlaps", box_overlaps_of},
    {"newDetectionEvaluation", new_detection_evaluation},
};

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
  ProcessGroupHandle::define(env);
  FileLockHandle::define(env);
  OnnxGraphHandle::define(env);
  DetectionEvaluationHandle::define(env);

  for (const EntryPoint& entry : kEntryPoints) {
    exports.Set(entry.name, Napi::Function::New(env, entry.function, entry.name));
  }
}

}  // namespace reviewkd::binding
