#pragma once
// Quantization to int8 after training: values and weights become 8-bit numbers with scales, between pairs of
// QuantizeLinear and DequantizeLinear, as runtimes expect them. Jacob et al., "Quantization and Training of Neural
// Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018); Nagel et al., "A White Paper on Neural Network
// Quantization" (arXiv:2106.08295), sections 2 and 3.

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "formats/onnx/onnx_model.h"

namespace reviewkd::onnx {

/// Quantizes a classifier's graph in float32: weights symmetrically for each output channel, biases to int32, activations
/// for each tensor with the range that loses least over `images`, batches [N, 3, H, W] as the graph reads them. The
/// logits remain as they are. Reports how many images are done. Throws ABORTED once `stop` is set.
void quantize_int8(Graph& graph, const std::vector<at::Tensor>& images, const std::atomic<bool>& stop,
                   const std::function<void(int64_t done)>& progress);

}  // namespace reviewkd::onnx
