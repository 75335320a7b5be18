#include "core/ops/paste_masks/paste_masks.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/boxes/checks.h"
#include "core/ops/paste_masks/device.h"
#include "core/ops/paste_masks/inputs.h"

namespace reviewkd::ops {
namespace {

/// The pixels that a box reaches along an axis, and where each lies on its grid.
template <typename T>
struct PastedAxis {
  /// Between a point and the next one; all points outside of the grid are 0.
  struct Position {
    int64_t point;
    T rest;
  };
  int64_t first = 0;
  std::vector<Position> positions;  // of pixels first, first + 1, …

  void find(T low, T high, int64_t pixels, int64_t points, MaskPaste rule);

 private:
  void find_by_torchvision(T low, T high, int64_t pixels, int64_t points);
  void find_by_detectron2(T low, T high, int64_t pixels, int64_t points);
  void add(T position, int64_t points);
};

template <typename T>
void PastedAxis<T>::find(T low, T high, int64_t pixels, int64_t points, MaskPaste rule) {
  positions.clear();
  if (!std::isfinite(low) || !std::isfinite(high)) return;
  if (rule == MaskPaste::kTorchvision && high >= low) find_by_torchvision(low, high, pixels, points);
  if (rule == MaskPaste::kDetectron2 && high > low) find_by_detectron2(low, high, pixels, points);
}

template <typename T>
void PastedAxis<T>::find_by_torchvision(T low, T high, int64_t pixels, int64_t points) {
  const T growth = static_cast<T>(static_cast<double>(points + 2) / static_cast<double>(points));
  const T center = (high + low) * static_cast<T>(0.5), half = (high - low) * static_cast<T>(0.5) * growth;
  const auto cut = [](T value) {
    return static_cast<int64_t>(std::clamp(static_cast<double>(value), -kFarPixel, kFarPixel));
  };
  const int64_t start = cut(center - half), end = cut(center + half);
  const T step = static_cast<T>(points + 2) / static_cast<T>(end - start + 1);
  first = std::max<int64_t>(start, 0);
  // One point less than on the grid with its border of zeros.
  for (int64_t pixel = first; pixel <= std::min(end, pixels - 1); ++pixel)
    add((static_cast<T>(pixel - start) + static_cast<T>(0.5)) * step - static_cast<T>(1.5), points);
}

template <typename T>
void PastedAxis<T>::find_by_detectron2(T low, T high, int64_t pixels, int64_t points) {
  // Half a point around the grid still has weight; one more pixel for rounding.
  const double reach = static_cast<double>(high - low) / static_cast<double>(points) + 1;
  const auto within = [&](double pixel) {
    return static_cast<int64_t>(std::clamp(pixel, 0.0, static_cast<double>(pixels)));
  };
  first = within(static_cast<double>(low) - reach);
  const int64_t last = within(static_cast<double>(high) + reach);
  for (int64_t pixel = first; pixel < last; ++pixel) {
    const T share = (static_cast<T>(pixel) + static_cast<T>(0.5) - low) / (high - low);
    add(share * static_cast<T>(points) - static_cast<T>(0.5), points);
  }
}

template <typename T>
void PastedAxis<T>::add(T position, int64_t points) {
  const T near = std::clamp(position, static_cast<T>(-2), static_cast<T>(points));
  const T floor = std::floor(near);
  positions.push_back({static_cast<int64_t>(floor), near - floor});
}

/// A row of the grid's values between two of its rows, with two zeros before and after it.
template <typename T>
class BlendedRow {
 public:
  static constexpr int64_t kBorder = 2;

  explicit BlendedRow(int64_t points) : points_(points), values_(points + 2 * kBorder, 0) {}

  void blend(const T* grid, const typename PastedAxis<T>::Position& row) {
    std::fill(values_.begin() + kBorder, values_.end() - kBorder, T{0});
    add(grid, row.point, 1 - row.rest);
    add(grid, row.point + 1, row.rest);
  }
  T at(const typename PastedAxis<T>::Position& column) const {
    const T* const value = values_.data() + kBorder + column.point;
    return value[0] * (1 - column.rest) + value[1] * column.rest;
  }

 private:
  void add(const T* grid, int64_t row, T weight) {
    if (row < 0 || row >= points_) return;
    for (int64_t i = 0; i < points_; ++i) values_[kBorder + i] += grid[row * points_ + i] * weight;
  }

  const int64_t points_;
  std::vector<T> values_;
};

/// out: [N, height, width], filled with what lies outside of the boxes; result_of turns a probability to a value of it.
template <typename T, typename Out, typename ResultOf>
void paste(const PasteInputs& inputs, Out* out, const ResultOf& result_of) {
  const int64_t points = inputs.probabilities.size(1);
  const T* const grids = inputs.probabilities.const_data_ptr<T>();
  const T* const boxes = inputs.boxes.const_data_ptr<T>();
  parallel_for_ranges(inputs.boxes.size(0), [&](int64_t begin, int64_t end, int64_t) {
    PastedAxis<T> rows, columns;
    BlendedRow<T> blended(points);
    for (int64_t n = begin; n < end; ++n) {
      const T* const box = boxes + 4 * n;
      rows.find(box[1], box[3], inputs.height, points, inputs.rule);
      columns.find(box[0], box[2], inputs.width, points, inputs.rule);
      Out* const first = out + (n * inputs.height + rows.first) * inputs.width + columns.first;
      for (size_t y = 0; y < rows.positions.size(); ++y) {
        blended.blend(grids + n * points * points, rows.positions[y]);
        Out* const row = first + static_cast<int64_t>(y) * inputs.width;
        for (size_t x = 0; x < columns.positions.size(); ++x) row[x] = result_of(blended.at(columns.positions[x]));
      }
    }
  });
}

}  // namespace

PasteInputs paste_inputs(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                         MaskPaste rule) {
  if (probabilities.dim() != 3 || probabilities.size(1) != probabilities.size(2) || probabilities.size(1) == 0) {
    fail(ErrorCode::kShapeMismatch, "invalid probabilities: expected shape [N, S, S], received ", probabilities.sizes(),
         ". Pass one square grid for each box.");
  }
  require_floating(probabilities, "probabilities");
  require_boxes(boxes, "boxes");
  require_sizes(boxes, {probabilities.size(0), 4}, "boxes", "Pass one box for each mask.");
  require_same_device(probabilities, boxes, "probabilities", "boxes");
  require_within(static_cast<double>(height), 1, kFarPixel, "height");
  require_within(static_cast<double>(width), 1, kFarPixel, "width");
  const bool is_double = probabilities.scalar_type() == at::kDouble || boxes.scalar_type() == at::kDouble;
  const auto converted = [&](const at::Tensor& values) {
    return values.detach().to(is_double ? at::kDouble : at::kFloat).contiguous();
  };
  return {converted(probabilities), converted(boxes), height, width, rule};
}

at::Tensor paste_masks(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                       MaskPaste rule) {
  const PasteInputs inputs = paste_inputs(probabilities, boxes, height, width, rule);
  if (auto pasted = paste_on_device(inputs)) return pasted->to(probabilities.scalar_type());
  if (takes_reference_path() || !boxes.is_cpu())
    return paste_masks_reference(probabilities, boxes, height, width, rule);
  const at::Tensor result = at::zeros({boxes.size(0), height, width}, inputs.boxes.options());
  AT_DISPATCH_FLOATING_TYPES(result.scalar_type(), "paste_masks", [&] {
    paste<scalar_t>(inputs, result.data_ptr<scalar_t>(), [](scalar_t probability) { return probability; });
  });
  return result.to(probabilities.scalar_type());
}

at::Tensor paste_masks_binary(const at::Tensor& probabilities, const at::Tensor& boxes, int64_t height, int64_t width,
                              MaskPaste rule, double threshold) {
  const PasteInputs inputs = paste_inputs(probabilities, boxes, height, width, rule);
  require_within(threshold, 0, 1, "threshold");
  if (auto pasted = paste_binary_on_device(inputs, threshold)) return *pasted;
  const bool includes = rule == MaskPaste::kDetectron2;
  if (takes_reference_path() || !boxes.is_cpu()) {
    const at::Tensor values = paste_masks_reference(inputs.probabilities, inputs.boxes, height, width, rule);
    return (includes ? values >= threshold : values > threshold).to(at::kByte);
  }
  // A threshold of 0 that is included: every pixel of the image.
  const at::Tensor result = at::full({boxes.size(0), height, width}, includes && threshold <= 0 ? 1 : 0,
                                     inputs.boxes.options().dtype(at::kByte));
  AT_DISPATCH_FLOATING_TYPES(inputs.boxes.scalar_type(), "paste_masks_binary", [&] {
    const scalar_t limit = static_cast<scalar_t>(threshold);
    uint8_t* const out = result.data_ptr<uint8_t>();
    if (includes) paste<scalar_t>(inputs, out, [&](scalar_t value) -> uint8_t { return value >= limit; });
    else paste<scalar_t>(inputs, out, [&](scalar_t value) -> uint8_t { return value > limit; });
  });
  return result;
}

}  // namespace reviewkd::ops
