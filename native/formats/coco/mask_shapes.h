#pragma once
// Masks of polygons and boxes. COCO traces the outline on a grid five times as fine as the pixels and fills each column
// between its crossings, so that its masks differ from those of drawing libraries.

#include "formats/coco/run_length_mask.h"

namespace reviewkd {

/// The longest outline in steps of a fifth of a pixel: three million pixels around. Bounds time and memory for
/// coordinates far outside of the image.
constexpr int64_t kMostOutlineSteps = int64_t{1} << 24;

/// Polygons that stand one after the other, each behind its length. Throws INVALID_ARGUMENT for wrong lengths.
std::vector<std::span<const double>> split_polygons(std::span<const double> numbers, const std::string& what);

/// The union of polygons, each a list x0, y0, x1, y1, … of at least three points. Throws INVALID_ARGUMENT for other
/// lists, for none, for coordinates that are not finite and for longer outlines than kMostOutlineSteps; `what` names
/// the mask in messages.
RunLengthMask mask_of_polygons(const std::vector<std::span<const double>>& polygons, int64_t height, int64_t width,
                               const std::string& what);

/// The mask of the polygon with the box's corners. Throws INVALID_ARGUMENT as mask_of_polygons does.
RunLengthMask mask_of_box(const XywhBox& box, int64_t height, int64_t width, const std::string& what);

}  // namespace reviewkd
