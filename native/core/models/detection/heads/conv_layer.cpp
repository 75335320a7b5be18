#include "core/models/detection/heads/conv_layer.h"

namespace reviewkd::detection {
namespace nn = torch::nn;

ConvLayerImpl::ConvLayerImpl(int64_t in_channels, int64_t out_channels, int64_t kernel)
    : convolution_(
          register_module("0", conv2d(nn::Conv2dOptions(in_channels, out_channels, kernel).padding(kernel / 2)))) {}

}  // namespace reviewkd::detection
