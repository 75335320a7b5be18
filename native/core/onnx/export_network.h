#pragma once
// Networks as ONNX models.

#include <cstdint>
#include <string>

#include "core/data/dataset.h"
#include "core/models/backbone.h"
#include "formats/onnx/onnx_model.h"

namespace reviewkd::onnx {

struct TraceOptions {
  /// Of the images that the model's user will pass.
  ImageSize image;
  /// Of weights and of the arithmetic of layers: float32 or float16.
  at::ScalarType type;
};

/// The network as a graph, for any number N of images.
///
/// Of a classifier: pixel_values [N, 3, H, W], normalized -> logits and probabilities, [N, classes]. Of a detector:
/// pixel_values, RGB from 0 to 1 -> D objects at most for each image, by falling score: boxes [N, D, 4], x1 y1 x2 y2 in
/// pixels of the input; scores [N, D], 0 for rows that are no object; labels [N, D], int64, -1 for these; masks
/// [N, D, 28, 28], probabilities within the boxes.
///
/// Batch normalizations are folded into the convolutions before them in float64. Inputs and outputs are float32 in any
/// precision. Throws SHAPE_MISMATCH for an image that is too small.
Graph trace_graph(Network& network, const TraceOptions& options);

/// Has a classifier's graph normalize its input, RGB from 0 to 1, by a multiplication and an addition. Folded into the
/// first convolution they would be wrong at borders, which are padded with zeros after them.
void add_normalization(Graph& graph, const Normalization& normalization);

/// Writes the file, whole or not at all, and returns its size in bytes. Throws FILE_ACCESS, FILE_UNSUPPORTED.
uint64_t write_onnx(const Model& model, const std::string& path);

}  // namespace reviewkd::onnx
