#include "core/ops/paste_masks/paste_masks.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/boxes/checks.h"

namespace reviewkd::ops {
namespace {

/// Far outside of any image; boxes beyond it are cut, so that their corners fit in an int64.
constexpr double kFarPixel = 1e9;

struct PasteInputs {
  at::Tensor probabilities, boxes;  // of one type, float32 or float64
};

PasteInputs checked_inputs(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width) {
  if (probabilities.dim() != 3 || probabilities.size(1) != probabilities.size(2) || probabilities.size(1) == 0) {
    fail(ErrorCode::kShapeMismatch, "invalid probabilities: expected shape [N, S, S], received ", probabilities.sizes(),
         ". Pass one square grid for each box.");
  }
  require_floating(probabilities, "probabilities");
  require_boxes(boxes, "boxes");
  require_sizes(boxes, {probabilities.size(0), 4}, "boxes", "Pass one box for each mask.");
  if (height < 1 || width < 1) {
    fail(ErrorCode::kInvalidArgument, "invalid size: expected a height and a width of at least 1, received ", height,
         " and ", width, ". Pass the size of the image.");
  }
  const at::ScalarType type =
      probabilities.scalar_type() == at::kDouble || boxes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return {probabilities.detach().to(type), boxes.detach().to(type)};
}

/// Positions [N, size] of the pixels' centers on a grid of `cells` points, counted from the first point; infinity where
/// the box does not reach.
at::Tensor positions(const at::Tensor& low, const at::Tensor& high, int64_t size, int64_t cells, MaskPaste rule) {
  const at::Tensor pixels = at::arange(size, low.options());
  if (rule == MaskPaste::kDetectron2) {
    const at::Tensor found = (pixels + 0.5 - low) / (high - low) * cells - 0.5;
    return found.masked_fill((high > low).logical_and(at::isfinite(high - low)).logical_not(), INFINITY);
  }
  const double growth = static_cast<double>(cells + 2) / static_cast<double>(cells);
  const at::Tensor center = (high + low) * 0.5, half = (high - low) * 0.5 * growth;
  const auto cut = [](const at::Tensor& values) { return values.clamp(-kFarPixel, kFarPixel).trunc(); };
  const at::Tensor first = cut(center - half), last = cut(center + half);
  const at::Tensor found = (pixels - first + 0.5) * ((cells + 2) / (last - first + 1)) - 1.5;
  return found.masked_fill((pixels >= first).logical_and(pixels <= last).logical_not(), INFINITY);
}

/// Weights [N, size, cells] of bilinear interpolation.
at::Tensor weights_at(const at::Tensor& positions, int64_t cells) {
  return (1 - (positions.unsqueeze(2) - at::arange(cells, positions.options())).abs()).clamp_min(0);
}

at::Tensor pasted(const PasteInputs& inputs, int64_t height, int64_t width, MaskPaste rule) {
  const int64_t cells = inputs.probabilities.size(1);
  const auto along = [&](int64_t axis, int64_t size) {
    return weights_at(
        positions(inputs.boxes.slice(1, axis, axis + 1), inputs.boxes.slice(1, axis + 2, axis + 3), size, cells, rule),
        cells);
  };
  return at::bmm(at::bmm(along(1, height), inputs.probabilities),  // [N, height, S]
                 along(0, width).transpose(1, 2));                 // [N, height, width]
}

}  // namespace

at::Tensor paste_masks_reference(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height,
                                 int64_t width, MaskPaste rule) {
  return pasted(checked_inputs(probabilities, boxes, height, width), height, width, rule)
      .to(probabilities.scalar_type());
}

at::Tensor paste_masks(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                       MaskPaste rule) {
  return paste_masks_reference(probabilities, boxes, height, width, rule);
}

at::Tensor paste_masks_binary(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                              MaskPaste rule, double threshold) {
  const at::Tensor values = paste_masks_reference(probabilities, boxes, height, width, rule);
  return (rule == MaskPaste::kTorchvision ? values > threshold : values >= threshold).to(at::kByte);
}

}  // namespace reviewkd::ops
