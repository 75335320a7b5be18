#pragma once
// A frozen network over a batch, some images at a time.

#include "core/models/backbone.h"

namespace reviewkd {

/// What `network.forward(images)` gives, for a network in inference mode and without gradients. On the CPU each core takes a few
/// images at a time through the whole network, so that maps stay in its cache from layer to layer and no core waits for
/// another. `network` must be safe to run from several threads, as every backbone in inference mode is.
BackboneOutput infer(BackboneImpl& network, const at::Tensor& images);

}  // namespace reviewkd
