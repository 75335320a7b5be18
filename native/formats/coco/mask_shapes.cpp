#include "formats/coco/mask_shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "core/base/error.h"
#include "formats/coco/mask_overlap.h"

namespace reviewkd {
namespace {

// Steps of the fine grid in a pixel, and the step at a pixel's centre.
constexpr int64_t kGridSteps = 5;
constexpr int64_t kGridCentre = 2;

/// A point of the fine grid.
struct GridPoint {
  int64_t x = 0, y = 0;
};

/// Truncates towards zero, as the reference does also for negative coordinates.
int64_t rounded(double value) { return static_cast<int64_t>(std::trunc(value + 0.5)); }

int64_t ceil_divide(int64_t value, int64_t divisor) {
  return value >= 0 ? (value + divisor - 1) / divisor : -(-value / divisor);
}

/// Follows an outline and collects, for each column of pixels, the rows at which it crosses the column's centre.
class OutlineTracer {
 public:
  OutlineTracer(int64_t height, int64_t width) : height_(height), width_(width) {}

  /// Visits each point of the edge in order, both ends included.
  void trace(const GridPoint& from, const GridPoint& to) {
    const int64_t dx = std::abs(to.x - from.x), dy = std::abs(to.y - from.y);
    const bool is_flat = dx >= dy;
    // Edges are interpolated from their left or upper end, so that both directions give the same points.
    const bool is_flipped = is_flat ? from.x > to.x : from.y > to.y;
    const GridPoint &low = is_flipped ? to : from, &high = is_flipped ? from : to;
    const int64_t steps = std::max(dx, dy);
    if (steps == 0) {
      visit(low);
      return;
    }
    const double slope = static_cast<double>(is_flat ? high.y - low.y : high.x - low.x) / static_cast<double>(steps);
    for (int64_t step = 0; step <= steps; ++step) {
      const int64_t t = is_flipped ? steps - step : step;
      const double along = slope * static_cast<double>(t);
      if (is_flat) {
        visit({low.x + t, rounded(static_cast<double>(low.y) + along)});
      } else {
        visit({rounded(static_cast<double>(low.x) + along), low.y + t});
      }
    }
  }

  RunLengthMask finish() {
    std::sort(crossings_.begin(), crossings_.end());
    RunBuilder runs;
    bool is_inside = false;
    int64_t position = 0;
    for (const int64_t crossing : crossings_) {
      runs.add(is_inside, static_cast<uint32_t>(crossing - position));
      is_inside = !is_inside;
      position = crossing;
    }
    runs.add(is_inside, static_cast<uint32_t>(height_ * width_ - position));
    return {height_, width_, runs.finish()};
  }

 private:
  void visit(const GridPoint& point) {
    const GridPoint before = has_last_ ? last_ : point;
    last_ = point;
    has_last_ = true;
    if (point.x == before.x) return;
    const int64_t x = (point.x < before.x ? point.x : point.x - 1) - kGridCentre;
    if (x < 0 || x % kGridSteps != 0 || x / kGridSteps >= width_) return;
    const int64_t y = ceil_divide(std::min(point.y, before.y) - kGridCentre, kGridSteps);
    crossings_.push_back(x / kGridSteps * height_ + std::clamp<int64_t>(y, 0, height_));
  }

  int64_t height_, width_;
  GridPoint last_;
  bool has_last_ = false;
  /// Positions in the column-major mask where its value changes.
  std::vector<int64_t> crossings_;
};

std::vector<GridPoint> grid_points(std::span<const double> polygon, const std::string& what) {
  if (polygon.size() < 6 || polygon.size() % 2 != 0) {
    fail(ErrorCode::kInvalidArgument, "invalid ", what, ": expected polygons of an even count of at least 6 numbers, ",
         "received ", polygon.size(), ". Remove the polygon.");
  }
  constexpr double kFarthest = static_cast<double>(kMostOutlineSteps) / kGridSteps;
  std::vector<GridPoint> points(polygon.size() / 2);
  for (size_t i = 0; i < polygon.size(); ++i) {
    if (!(std::abs(polygon[i]) <= kFarthest)) {
      fail(ErrorCode::kInvalidArgument, "invalid ", what,
           ": expected finite coordinates in pixels of the image, received ", polygon[i], ".");
    }
    (i % 2 == 0 ? points[i / 2].x : points[i / 2].y) = rounded(kGridSteps * polygon[i]);
  }
  return points;
}

RunLengthMask trace_polygon(const std::vector<GridPoint>& points, int64_t height, int64_t width) {
  OutlineTracer tracer(height, width);
  for (size_t i = 0; i < points.size(); ++i) tracer.trace(points[i], points[(i + 1) % points.size()]);
  return tracer.finish();
}

}  // namespace

std::vector<std::span<const double>> split_polygons(std::span<const double> numbers, const std::string& what) {
  std::vector<std::span<const double>> polygons;
  while (!numbers.empty()) {
    const double length = numbers.front();
    numbers = numbers.subspan(1);
    if (!(length >= 0 && length <= static_cast<double>(numbers.size()))) {
      fail(ErrorCode::kInvalidArgument, "invalid ", what,
           ": expected each polygon behind its length, received the length ", length, " before ", numbers.size(),
           " numbers.");
    }
    polygons.push_back(numbers.first(static_cast<size_t>(length)));
    numbers = numbers.subspan(static_cast<size_t>(length));
  }
  return polygons;
}

RunLengthMask mask_of_polygons(const std::vector<std::span<const double>>& polygons, int64_t height, int64_t width,
                               const std::string& what) {
  check_mask_size(height, width, what);
  if (polygons.empty())
    fail(ErrorCode::kInvalidArgument, "invalid ", what, ": expected at least one polygon, received none.");
  std::vector<RunLengthMask> parts;
  int64_t steps = 0;
  for (const auto polygon : polygons) {
    const auto points = grid_points(polygon, what);
    for (size_t i = 0; i < points.size(); ++i) {
      const GridPoint &from = points[i], &to = points[(i + 1) % points.size()];
      steps += std::max(std::abs(to.x - from.x), std::abs(to.y - from.y)) + 1;
      if (steps > kMostOutlineSteps) {
        fail(ErrorCode::kInvalidArgument, "invalid ", what, ": expected an outline of at most ",
             kMostOutlineSteps / kGridSteps,
             " pixels, received a longer one. Pass coordinates in pixels of the image.");
      }
    }
    parts.push_back(trace_polygon(points, height, width));
  }
  return merge_masks(std::move(parts), MaskMerge::kUnion);
}

RunLengthMask mask_of_box(const XywhBox& box, int64_t height, int64_t width, const std::string& what) {
  const double right = box.x + box.width, bottom = box.y + box.height;
  const std::array<double, 8> corners{box.x, box.y, box.x, bottom, right, bottom, right, box.y};
  return mask_of_polygons({corners}, height, width, what);
}

}  // namespace reviewkd
