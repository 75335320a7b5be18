#pragma once
// Runs a frozen network on a batch, a few images at a time.

#include "core/models/backbone.h"

namespace reviewkd {

/// Returns `network.forward_batch(images)` for a network in inference mode and without gradients. On the CPU each core
/// takes a few images at a time through the whole network, so that maps stay in its cache from layer to layer and no
/// core waits for another. `network` must be thread-safe, as every backbone in inference mode is.
BackboneOutput infer(BackboneImpl& network, const ImageBatch& images);

}  // namespace reviewkd
