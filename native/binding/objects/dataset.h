#pragma once
// JavaScript handles for data sets, and passes over their splits.

#include <napi.h>

#include "binding/support/arguments.h"
#include "binding/support/handle.h"
#include "core/data/batch_loader.h"
#include "core/data/dataset.h"
#include "core/training/precision.h"

namespace reviewkd::binding {

class DatasetHandle : public Handle<DatasetHandle, const Dataset> {
 public:
  static constexpr const char* kName = "Dataset";
  static constexpr napi_type_tag kTag = {0x52c7e90b61f84da3, 0xa14f7b26d9c0835e};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value batches(const Napi::CallbackInfo& info);
};

class BatchReaderHandle : public Handle<BatchReaderHandle, BatchSource> {
 public:
  static constexpr const char* kName = "BatchReader";
  static constexpr napi_type_tag kTag = {0xe05b38c4917d42f6, 0x97d2ac3e5f8b6104};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value next(const Napi::CallbackInfo& info);
};

/// (source) -> Promise<Dataset>; see lib/config for the schema of source.
Napi::Value load_dataset(const Napi::CallbackInfo& info);

/// Whether the value is a BatchQueue.
bool is_queue(const Napi::Value& value);

/// The images of a training or an evaluation: the split "train" or "test" of a Dataset, or the pass of a BatchQueue.
/// The caller keeps the latter alive.
ImageSet image_set_of(const Napi::Value& value, const std::string& split);

/// { images, labels }, or undefined after the last batch.
Napi::Value to_js_batch(Napi::Env env, const std::optional<Batch>& batch);

/// The field "precision".
Precision precision_of(const Options& options);

}  // namespace reviewkd::binding
