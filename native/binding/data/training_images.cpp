#include "binding/data/training_images.h"

#include "binding/data/batch_queue.h"
#include "binding/data/dataset.h"

namespace reviewkd::binding {

bool is_queue(const Napi::Value& value) {
  return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&BatchQueueHandle::kTag);
}

TrainingImages training_images_of(const Napi::Value& value, const std::string& split) {
  if (is_queue(value)) return BatchQueueHandle::unwrap(value)->set;
  const auto loaded = DatasetHandle::unwrap(value);
  return {images_of(loaded->data, split_of(*loaded->data, split)),
          split == "train" ? loaded->resident_train : loaded->resident_test};
}

}  // namespace reviewkd::binding
