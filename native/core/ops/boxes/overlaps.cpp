// Compiled without contraction of products and sums, whose rounding would depend on the processor.

#include "core/ops/boxes/overlaps.h"

#include <algorithm>

namespace reviewkd::ops {
namespace {

template <typename T>
struct Box {
  T x1, y1, x2, y2, area;
};

// NaN in a box makes its area NaN, and so the overlap, whatever these comparisons answer.
template <typename T>
T smaller_of(T a, T b) {
  return a < b ? a : b;
}

template <typename T>
T larger_of(T a, T b) {
  return a > b ? a : b;
}

template <typename T>
T iou(const Box<T>& a, const Box<T>& b) {
  const T width = larger_of<T>(smaller_of(a.x2, b.x2) - larger_of(a.x1, b.x1), 0);
  const T height = larger_of<T>(smaller_of(a.y2, b.y2) - larger_of(a.y1, b.y1), 0);
  const T intersection = width * height;
  return intersection / (a.area + b.area - intersection);
}

}  // namespace

template <typename T>
BoxColumns<T>::BoxColumns(const T* boxes, int64_t count) {
  reserve(count);
  for (const T* box = boxes; box != boxes + 4 * count; box += 4) {
    x1_.push_back(box[0]);
    y1_.push_back(box[1]);
    x2_.push_back(box[2]);
    y2_.push_back(box[3]);
    area_.push_back((box[2] - box[0]) * (box[3] - box[1]));
  }
}

template <typename T>
void BoxColumns<T>::reserve(int64_t count) {
  for (auto* column : {&x1_, &y1_, &x2_, &y2_, &area_}) column->reserve(count);
}

template <typename T>
void BoxColumns<T>::clear() {
  for (auto* column : {&x1_, &y1_, &x2_, &y2_, &area_}) column->clear();
}

template <typename T>
void BoxColumns<T>::add(const BoxColumns& from, int64_t index) {
  x1_.push_back(from.x1_[index]);
  y1_.push_back(from.y1_[index]);
  x2_.push_back(from.x2_[index]);
  y2_.push_back(from.y2_[index]);
  area_.push_back(from.area_[index]);
}

template <typename T>
void BoxColumns<T>::overlaps(const BoxColumns& of, int64_t index, int64_t first, int64_t count, T* overlaps) const {
  const Box<T> box{of.x1_[index], of.y1_[index], of.x2_[index], of.y2_[index], of.area_[index]};
  const T *x1 = x1_.data() + first, *y1 = y1_.data() + first, *x2 = x2_.data() + first, *y2 = y2_.data() + first;
  const T* area = area_.data() + first;
  for (int64_t i = 0; i < count; ++i) overlaps[i] = iou(box, {x1[i], y1[i], x2[i], y2[i], area[i]});
}

template <typename T>
bool BoxColumns<T>::any_above(const BoxColumns& of, int64_t index, double threshold) const {
  constexpr int64_t kAtOnce = 64;
  const T limit = rounded_down<T>(threshold);
  T found[kAtOnce];
  for (int64_t first = 0; first < size(); first += kAtOnce) {
    const int64_t count = std::min(kAtOnce, size() - first);
    overlaps(of, index, first, count, found);
    int above = 0;
    for (int64_t i = 0; i < count; ++i) above |= found[i] > limit ? 1 : 0;
    if (above != 0) return true;
  }
  return false;
}

template class BoxColumns<float>;
template class BoxColumns<double>;

}  // namespace reviewkd::ops
