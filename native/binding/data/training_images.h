#pragma once
// The images that JavaScript passes to a training or an evaluation.

#include <napi.h>

#include <string>

#include "binding/support/arguments.h"
#include "core/training/state/resident_images.h"

namespace reviewkd::binding {

/// Whether the value is a BatchQueue.
bool is_queue(const Napi::Value& value);

/// The split "train" or "test" of a Dataset, or the images that a BatchQueue is a pass over. The caller keeps the
/// latter alive.
TrainingImages training_images_of(const Napi::Value& value, const std::string& split);

}  // namespace reviewkd::binding
