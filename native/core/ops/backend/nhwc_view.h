#pragma once
// Access to maps in channels-last order, image by image.

#include <ATen/ATen.h>

#include <optional>

namespace reviewkd::ops {

/// The map in this type and in channels-last order; the same tensor if it already is.
inline at::Tensor in_order(const at::Tensor& map, at::ScalarType type) {
  return map.to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

/// An autograd function's inputs must have a device, so undefined tensors become nullopt.
inline std::optional<at::Tensor> where_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

class NhwcView {
 public:
  /// map: [N, C, H, W] in channels-last order, or undefined.
  explicit NhwcView(const at::Tensor& map)
      : data_(map.defined() ? static_cast<char*>(map.data_ptr()) : nullptr),
        pixels_(map.defined() ? map.size(2) * map.size(3) : 0),
        pixel_bytes_(map.defined() ? map.size(1) * static_cast<int64_t>(map.element_size()) : 0) {}

  /// Null if the map is undefined.
  char* operator[](int64_t image) const { return pixel(image, 0); }
  char* pixel(int64_t image, int64_t index) const {
    return data_ == nullptr ? nullptr : data_ + (image * pixels_ + index) * pixel_bytes_;
  }

 private:
  char* data_;
  int64_t pixels_, pixel_bytes_;
};

}  // namespace reviewkd::ops
