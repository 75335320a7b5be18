#include "core/ops/roi_align/roi_align.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/traced_operation.h"
#include "core/ops/boxes/checks.h"
#include "core/ops/roi_align/checks.h"
#include "core/ops/roi_align/device.h"
#include "core/ops/roi_align/processor.h"

namespace reviewkd::ops {
namespace {

constexpr int64_t kMostRoiBins = 1024, kMostRoiSamples = 256;

void require_roi_options(const RoiAlignOptions& options, const std::vector<double>& scales) {
  require_within(static_cast<double>(options.height), 1, kMostRoiBins, "outputSize[0]");
  require_within(static_cast<double>(options.width), 1, kMostRoiBins, "outputSize[1]");
  require_within(static_cast<double>(options.sampling_ratio), 0, kMostRoiSamples, "samplingRatio");
  for (const double scale : scales) require_within(scale, 0, 1e6, "spatialScale");
}

void require_roi_maps(const std::vector<at::Tensor>& maps, const std::vector<double>& scales) {
  if (maps.empty() || maps.size() != scales.size()) {
    fail(ErrorCode::kInvalidArgument, "invalid maps: expected at least one and a scale for each, received ",
         maps.size(), " and ", scales.size(), " scales. Pass one scale for each map.");
  }
  for (const at::Tensor& map : maps) {
    if (map.dim() != 4 || map.size(0) != maps[0].size(0) || map.size(1) != maps[0].size(1) || map.size(2) == 0 ||
        map.size(3) == 0) {
      fail(ErrorCode::kShapeMismatch, "invalid map: expected shape [N, C, H, W] with pixels",
           maps.size() > 1 ? ", and N and C of the first map" : "", ", received ", map.sizes(),
           ". Pass maps of the same batch.");
    }
    require_floating(map, "map");
    require_alike(maps[0], map, "the first map", "map");
  }
}

void require_rois(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels) {
  require_rows(rois, 5, "rois");
  require_int64(levels, "levels");
  require_sizes(levels, {rois.size(0)}, "levels", "Pass one level for each region.");
  require_same_device(maps[0], rois, "map", "rois");
  require_same_device(maps[0], levels, "map", "levels");
  // Reading a device's tensor back would stop its work; kernels skip regions of no image or level.
  if (rois.is_cpu() && !is_tracing())
    require_existing_rois(rois, levels, maps[0].size(0), static_cast<int64_t>(maps.size()));
}

/// One node of the trace.
at::Tensor traced_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                            const std::vector<double>& scales, const RoiAlignOptions& options) {
  return traced_operation(
      "reviewkd::roi_align",
      [&](torch::jit::Node* node) {
        torch::jit::tracer::addInputs(node, "maps", maps);
        torch::jit::tracer::addInputs(node, "rois", rois);
        torch::jit::tracer::addInputs(node, "levels", levels);
        torch::jit::tracer::addInputs(node, "scales", at::ArrayRef<double>(scales));
        torch::jit::tracer::addInputs(node, "height", options.height);
        torch::jit::tracer::addInputs(node, "width", options.width);
        torch::jit::tracer::addInputs(node, "sampling_ratio", options.sampling_ratio);
        torch::jit::tracer::addInputs(node, "aligned", options.aligned);
      },
      {rois.size(0), maps[0].size(1), options.height, options.width}, maps[0].options());
}

}  // namespace

void require_existing_rois(const at::Tensor& rois, const at::Tensor& levels, int64_t images, int64_t maps) {
  const at::Tensor image_of = rois.select(1, 0).to(at::kDouble);
  if (!image_of.ge(0).logical_and(image_of.lt(images)).all().item<bool>()) {
    fail(ErrorCode::kInvalidArgument, "invalid rois: expected images from 0 to ", images - 1,
         " in the first column, received another. Pass the index of the image in the batch.");
  }
  if (!levels.ge(0).logical_and(levels.lt(maps)).all().item<bool>()) {
    fail(ErrorCode::kInvalidArgument, "invalid levels: expected 0 to ", maps - 1,
         ", received another. Count levels from the first map.");
  }
}

void require_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                       const std::vector<double>& scales, const RoiAlignOptions& options) {
  require_roi_maps(maps, scales);
  require_roi_options(options, scales);
  require_rois(maps, rois, levels);
}

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, const RoiAlignOptions& options) {
  require_rows(rois, 5, "rois");
  const at::Tensor levels = at::zeros({rois.size(0)}, rois.options().dtype(at::kLong).requires_grad(false));
  return multiscale_roi_align({input}, rois, levels, {options.spatial_scale}, options);
}

at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois, const at::Tensor& levels,
                                const std::vector<double>& scales, const RoiAlignOptions& options) {
  require_roi_align(maps, rois, levels, scales, options);
  if (is_tracing()) return traced_roi_align(maps, rois, levels, scales, options);
  if (auto result = roi_align_on_device(maps, rois, levels, scales, options)) return result->contiguous(options.order);
  if (!takes_reference_path() && maps[0].is_cpu()) return roi_align_on_processor(maps, rois, levels, scales, options);
  return multiscale_roi_align_reference(maps, rois, levels, scales, options).contiguous(options.order);
}

}  // namespace reviewkd::ops
