#pragma once
// Writes a network as an ONNX file.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/dataset.h"
#include "core/models/backbone.h"
#include "formats/onnx/onnx_model.h"

namespace reviewkd::onnx {

struct ExportOptions {
  /// Of the images that the file's reader will pass.
  ImageSize image;
  /// Becomes a part of a classifier; nullopt for images that are normalized before. Detectors have their own.
  std::optional<Normalization> normalization;
  /// Of weights and of the arithmetic of layers: float32 or float16.
  at::ScalarType type;
  /// The version of ONNX's set of operators.
  int64_t opset;
  std::string producer_version;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// The network as a graph. Input: pixel_values [N, 3, H, W], RGB from 0 to 1, or normalized; any N.
///
/// Of a classifier: logits and probabilities, [N, classes]. Of a detector, D objects at most for each image, by falling
/// score: boxes [N, D, 4], x1 y1 x2 y2 in pixels of the input; scores [N, D], 0 for rows that are no object; labels
/// [N, D], int64, -1 for these; masks [N, D, 28, 28], probabilities within the boxes.
///
/// Batch normalizations are folded into the convolutions before them in float64. Inputs and outputs are float32 in any
/// precision. Throws SHAPE_MISMATCH for an image that is too small.
Model onnx_model(Network& network, const ExportOptions& options);

/// Writes the file, whole or not at all, and returns its size in bytes. Throws FILE_ACCESS, FILE_UNSUPPORTED.
uint64_t write_onnx(const Model& model, const std::string& path);

}  // namespace reviewkd::onnx
