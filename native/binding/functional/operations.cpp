// The rows of operations on boxes, maps and losses.

#include <ATen/ATen.h>

#include "binding/functional/function_table.h"
#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/models/detection/boxes/box_weights.h"
#include "core/ops/box_losses/box_losses.h"
#include "core/ops/boxes/boxes.h"
#include "core/ops/focal_loss/focal_loss.h"
#include "core/ops/images/image_batch.h"
#include "core/ops/match_boxes/match_boxes.h"
#include "core/ops/nms/nms.h"
#include "core/ops/paste_masks/paste_masks.h"
#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::binding {
namespace {

/// Throws SHAPE_MISMATCH unless the input is [N, 4], and DTYPE_MISMATCH unless it is of floating point.
const at::Tensor& boxes_of(const TensorTree& inputs, const std::string& field) {
  const at::Tensor& boxes = inputs.tensor(field);
  if (boxes.dim() != 2 || boxes.size(1) != 4)
    fail(ErrorCode::kShapeMismatch, "invalid ", field, ": expected [N, 4], received ", boxes.sizes(), ".");
  if (!boxes.is_floating_point())
    fail(ErrorCode::kDtypeMismatch, "invalid ", field, ": expected floating point, received ",
         type_name(boxes.scalar_type()), ".");
  return boxes;
}

/// Throws SHAPE_MISMATCH unless the input has one value for each of `count` boxes.
const at::Tensor& values_of(const TensorTree& inputs, const std::string& field, int64_t count) {
  const at::Tensor& values = inputs.tensor(field);
  if (values.dim() != 1 || values.size(0) != count)
    fail(ErrorCode::kShapeMismatch, "invalid ", field, ": expected [", count, "], received ", values.sizes(), ".");
  return values;
}

void require_same_shape(const at::Tensor& a, const at::Tensor& b, const char* name) {
  if (a.sizes() == b.sizes()) return;
  fail(ErrorCode::kShapeMismatch, "invalid ", name, ": expected ", a.sizes(), ", received ", b.sizes(), ".");
}

/// The sum or mean of a loss as a number, or its values.
FunctionOutput reduced(const at::Tensor& values, const Options& options) {
  enum class Reduction { kNone, kSum, kMean };
  const auto reduction = options.choice<Reduction>(
      "reduction", {{"none", Reduction::kNone}, {"sum", Reduction::kSum}, {"mean", Reduction::kMean}});
  if (reduction == Reduction::kNone) return values;
  const at::Tensor loss = reduction == Reduction::kSum ? values.sum() : values.mean();
  return {number_of(loss), loss};
}

FunctionOutput encode_boxes(const TensorTree& inputs, const Options& options) {
  const at::Tensor &reference = boxes_of(inputs, "reference"), &proposals = boxes_of(inputs, "proposals");
  require_same_shape(reference, proposals, "proposals");
  return {ops::encode_boxes(reference, proposals, detection::box_weights_from(options, "weights")), {}};
}

FunctionOutput decode_boxes(const TensorTree& inputs, const Options& options) {
  const at::Tensor &deltas = inputs.tensor("deltas"), &boxes = boxes_of(inputs, "boxes");
  if (deltas.dim() != 2 || deltas.size(0) != boxes.size(0) || deltas.size(1) % 4 != 0) {
    fail(ErrorCode::kShapeMismatch, "invalid deltas: expected [", boxes.size(0), ", 4 · C], received ", deltas.sizes(),
         ".");
  }
  return {ops::decode_boxes(deltas, boxes, detection::box_weights_from(options, "weights")), {}};
}

FunctionOutput focal_loss(const TensorTree& inputs, const Options& options) {
  const at::Tensor &logits = inputs.tensor("logits"), &targets = inputs.tensor("targets");
  require_same_shape(logits, targets, "targets");
  return reduced(ops::sigmoid_focal_loss(logits, targets, options.number("alpha"), options.number("gamma")), options);
}

FunctionOutput smooth_l1(const TensorTree& inputs, const Options& options) {
  const at::Tensor &input = inputs.tensor("input"), &target = inputs.tensor("target");
  require_same_shape(input, target, "target");
  return reduced(ops::smooth_l1_loss(input, target, options.number("beta")), options);
}

FunctionOutput giou_loss(const TensorTree& inputs, const Options& options) {
  const at::Tensor &boxes = boxes_of(inputs, "boxes"), &targets = boxes_of(inputs, "targets");
  require_same_shape(boxes, targets, "targets");
  return reduced(ops::generalized_box_iou_loss(boxes, targets, options.number("eps")), options);
}

FunctionOutput roi_align(const TensorTree& inputs, const Options& options) {
  const at::Tensor &input = inputs.tensor("input"), &rois = inputs.tensor("rois");
  if (input.dim() != 4 || rois.dim() != 2 || rois.size(1) != 5) {
    fail(ErrorCode::kShapeMismatch, "invalid input and rois: expected [N, C, H, W] and [K, 5], received ",
         input.sizes(), " and ", rois.sizes(), ".");
  }
  if (rois.size(0) > 0 && (rois.select(1, 0).min().item<double>() < 0 ||
                           rois.select(1, 0).max().item<double>() >= static_cast<double>(input.size(0)))) {
    fail(ErrorCode::kInvalidArgument, "invalid rois: expected images from 0 to ", input.size(0) - 1,
         " in the first column, received another. The first column is the index of the image.");
  }
  const ImageSize size = size_from(options, "outputSize");
  return ops::roi_align(input, rois.to(input.scalar_type()),
                        {.height = size.height,
                         .width = size.width,
                         .spatial_scale = options.number("spatialScale"),
                         .sampling_ratio = options.integer("samplingRatio"),
                         .aligned = options.boolean("aligned")});
}

FunctionOutput paste_masks(const TensorTree& inputs, const Options& options) {
  const at::Tensor& boxes = boxes_of(inputs, "boxes");
  const at::Tensor& probabilities = inputs.tensor("probabilities");
  if (probabilities.dim() != 3 || probabilities.size(0) != boxes.size(0) ||
      probabilities.size(1) != probabilities.size(2)) {
    fail(ErrorCode::kShapeMismatch, "invalid probabilities: expected [", boxes.size(0), ", S, S], received ",
         probabilities.sizes(), ".");
  }
  const ImageSize size = size_from(options, "size");
  const auto rule = options.choice<ops::MaskPaste>(
      "maskPaste", {{"torchvision", ops::MaskPaste::kTorchvision}, {"detectron2", ops::MaskPaste::kDetectron2}});
  if (!options.has("threshold")) return {ops::paste_masks(probabilities, boxes, size.height, size.width, rule), {}};
  return {ops::paste_masks_binary(probabilities, boxes, size.height, size.width, rule, options.number("threshold")),
          {}};
}

FunctionOutput batched_nms(const TensorTree& inputs, const Options& options) {
  const at::Tensor& boxes = boxes_of(inputs, "boxes");
  const at::Tensor& classes = values_of(inputs, "classes", boxes.size(0));
  if (classes.scalar_type() != at::kLong)
    fail(ErrorCode::kDtypeMismatch, "invalid classes: expected int64, received ", type_name(classes.scalar_type()),
         ".");
  return {ops::batched_nms(boxes, values_of(inputs, "scores", boxes.size(0)), classes, options.number("iouThreshold")),
          {}};
}

}  // namespace

TensorTree number_of(const at::Tensor& scalar) { return scalar.item<double>(); }

ImageSize size_from(const Options& options, const std::string& field) {
  const auto numbers = options.integers(field);
  if (numbers.size() != 2 || numbers[0] < 1 || numbers[1] < 1)
    fail(ErrorCode::kInvalidArgument, "invalid ", options.path(field), ": expected [height, width].");
  return {numbers[0], numbers[1]};
}

TensorTree to_tree(const ImageSize& size) {
  return TensorTree::List{static_cast<double>(size.height), static_cast<double>(size.width)};
}

const std::vector<FunctionRow>& operation_rows() {
  static const std::vector<FunctionRow> rows = {
      {"boxIou",
       {},
       [](const TensorTree& in, const Options&) -> FunctionOutput {
         return {ops::box_iou(boxes_of(in, "a"), boxes_of(in, "b")), {}};
       }},
      {"generalizedBoxIou",
       {},
       [](const TensorTree& in, const Options&) -> FunctionOutput {
         return {ops::generalized_box_iou(boxes_of(in, "a"), boxes_of(in, "b")), {}};
       }},
      {"boxArea",
       {},
       [](const TensorTree& in, const Options&) -> FunctionOutput {
         return {ops::box_area(boxes_of(in, "boxes")), {}};
       }},
      {"clipBoxes",
       {},
       [](const TensorTree& in, const Options& options) -> FunctionOutput {
         const ImageSize size = size_from(options, "size");
         return {
             ops::clip_boxes(boxes_of(in, "boxes"), static_cast<double>(size.height), static_cast<double>(size.width)),
             {}};
       }},
      {"removeSmallBoxes",
       {},
       [](const TensorTree& in, const Options& options) -> FunctionOutput {
         return {ops::large_boxes(boxes_of(in, "boxes"), options.number("minSize")), {}};
       }},
      {"encodeBoxes", {}, encode_boxes},
      {"decodeBoxes", {}, decode_boxes},
      {"nms",
       {},
       [](const TensorTree& in, const Options& options) -> FunctionOutput {
         const at::Tensor& boxes = boxes_of(in, "boxes");
         return {ops::nms(boxes, values_of(in, "scores", boxes.size(0)), options.number("iouThreshold")), {}};
       }},
      {"batchedNms", {}, batched_nms},
      {"roiAlign", {"input"}, roi_align},
      {"generalizedBoxIouLoss", {"boxes"}, giou_loss},
      {"sigmoidFocalLoss", {"logits"}, focal_loss},
      {"smoothL1Loss", {"input"}, smooth_l1},
      {"matchBoxes",
       {},
       [](const TensorTree& in, const Options& options) -> FunctionOutput {
         const at::Tensor& iou = in.tensor("iou");
         if (iou.dim() != 2)
           fail(ErrorCode::kShapeMismatch, "invalid iou: expected [truths, boxes], received ", iou.sizes(), ".");
         return {
             ops::match_boxes(iou, options.number("high"), options.number("low"), options.boolean("allowLowQuality")),
             {}};
       }},
      {"pasteMasks", {}, paste_masks},
  };
  return rows;
}

}  // namespace reviewkd::binding
