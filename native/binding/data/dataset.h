#pragma once
// JavaScript handles for data sets, and passes over their splits.

#include <napi.h>

#include "binding/support/arguments.h"
#include "binding/support/handle.h"
#include "core/data/batch_loader.h"
#include "core/data/dataset.h"
#include "core/training/state/resident_images.h"

namespace reviewkd::binding {

/// A data set, and the copies of its splits that a device holds.
struct LoadedDataset {
  explicit LoadedDataset(Dataset loaded)
      : data(std::make_shared<const Dataset>(std::move(loaded))),
        resident_train(std::make_shared<ResidentCopy>(data, data->train)),
        resident_test(std::make_shared<ResidentCopy>(data, data->test)) {}

  std::shared_ptr<const Dataset> data;
  std::shared_ptr<ResidentCopy> resident_train, resident_test;
};

class DatasetHandle : public Handle<DatasetHandle, const LoadedDataset> {
 public:
  static constexpr const char* kName = "Dataset";
  static constexpr napi_type_tag kTag = {0x52c7e90b61f84da3, 0xa14f7b26d9c0835e};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value batches(const Napi::CallbackInfo& info);
  Napi::Value checksum(const Napi::CallbackInfo& info);
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

/// The split "train" or "test".
const Split& split_of(const Dataset& dataset, const std::string& name);

/// { images, labels }, or undefined after the last batch.
Napi::Value to_js_batch(Napi::Env env, const std::optional<Batch>& batch);

}  // namespace reviewkd::binding
