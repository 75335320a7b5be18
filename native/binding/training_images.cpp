#include "binding/training_images.h"

#include "binding/batch_queue.h"
#include "binding/dataset.h"

namespace reviewkd::binding {

bool is_queue(const Napi::Value& value) {
  return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&BatchQueueHandle::kTag);
}

TrainingImages training_images_of(const Napi::Value& value, const std::string& split) {
  if (is_queue(value)) return BatchQueueHandle::unwrap(value)->set;
  const auto loaded = DatasetHandle::unwrap(value);
  return {images_of(loaded->data, split_of(*loaded->data, split)), split == "train" ? loaded->resident_train : loaded->resident_test};
}

Precision precision_of(const Options& options) {
  return options.choice<Precision>("precision", {{"float32", Precision::kFloat32}, {"bfloat16", Precision::kBfloat16}});
}

}  // namespace reviewkd::binding
