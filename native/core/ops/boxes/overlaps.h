#pragma once
// IoU of one box with many, in plain loops that compilers turn to vectors. Every operation that compares overlaps takes
// them from here: equal boxes give equal bits everywhere, and those of box_iou, so that thresholds and ties are exact.

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace reviewkd::ops {

/// The greatest T that is not above a threshold: a T is above one exactly if it is above the other.
template <typename T>
T rounded_down(double threshold) {
  const T nearest = static_cast<T>(threshold);
  return static_cast<double>(nearest) <= threshold ? nearest
                                                   : std::nextafter(nearest, -std::numeric_limits<T>::infinity());
}

/// Boxes with one array for each coordinate.
template <typename T>
class BoxColumns {
 public:
  BoxColumns() = default;
  /// boxes: [count, 4]
  BoxColumns(const T* boxes, int64_t count);

  int64_t size() const { return static_cast<int64_t>(x1_.size()); }
  void reserve(int64_t count);
  void clear();
  void add(const BoxColumns& from, int64_t index);

  /// overlaps[i] = IoU of box `index` of `of` with box first + i, for i < count.
  void overlaps(const BoxColumns& of, int64_t index, int64_t first, int64_t count, T* overlaps) const;

  /// Whether any box overlaps box `index` of `of` by more than `threshold`.
  bool any_above(const BoxColumns& of, int64_t index, double threshold) const;

 private:
  std::vector<T> x1_, y1_, x2_, y2_, area_;
};

extern template class BoxColumns<float>;
extern template class BoxColumns<double>;

}  // namespace reviewkd::ops
