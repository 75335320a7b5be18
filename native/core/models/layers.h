#pragma once
// What the families share: convolutions in the two shapes that they are made of, and what strides do to sizes.

#include <torch/nn/modules/conv.h>

#include "core/models/backbone.h"

namespace reviewkd {

/// 3×3 with padding 1 and without bias. As many groups as channels make it depthwise.
torch::nn::Conv2d conv3x3(int64_t in_channels, int64_t out_channels, int64_t stride = 1, int64_t groups = 1);

/// 1×1 without bias.
torch::nn::Conv2d conv1x1(int64_t in_channels, int64_t out_channels, int64_t stride = 1, int64_t groups = 1);

/// Size behind a 3×3 convolution or pooling of stride 2 and padding 1, and behind a 1×1 convolution of stride 2: both round up.
ImageSize halved(ImageSize size);

/// Throws SHAPE_MISMATCH where an image of this size has no pixels.
void require_pixels(ImageSize image);

}  // namespace reviewkd
