#pragma once
// A convolution by its definition, in double, with the gradients of its input and its weight.

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace reviewkd::tests {

/// Square kernels with equal strides and paddings in both directions; maps are [N, H, W, C].
struct ConvolutionReference {
  int64_t images, height, width, in_channels, out_channels, kernel, stride, padding;

  int64_t out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  int64_t out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  int64_t in_values() const { return images * height * width * in_channels; }
  int64_t out_values() const { return images * out_height() * out_width() * out_channels; }
  int64_t weight_values() const { return out_channels * in_channels * kernel * kernel; }

  using Read = std::function<double(int64_t)>;

  /// weight: [O, I, k, k].
  std::vector<double> forward(const Read& x, const Read& weight) const {
    std::vector<double> out(static_cast<size_t>(out_values()), 0.0);
    each_product([&](int64_t in, int64_t place, int64_t to) { out[static_cast<size_t>(to)] += x(in) * weight(place); });
    return out;
  }

  std::vector<double> input_gradient(const Read& gradient, const Read& weight) const {
    std::vector<double> out(static_cast<size_t>(in_values()), 0.0);
    each_product(
        [&](int64_t in, int64_t place, int64_t to) { out[static_cast<size_t>(in)] += gradient(to) * weight(place); });
    return out;
  }

  std::vector<double> weight_gradient(const Read& x, const Read& gradient) const {
    std::vector<double> out(static_cast<size_t>(weight_values()), 0.0);
    each_product(
        [&](int64_t in, int64_t place, int64_t to) { out[static_cast<size_t>(place)] += x(in) * gradient(to); });
    return out;
  }

 private:
  /// Calls body(index in x, index in the weight, index in the output) for each product that the convolution sums up.
  template <typename Body>
  void each_product(const Body& body) const {
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t r = 0; r < out_height(); ++r) {
        for (int64_t c = 0; c < out_width(); ++c) {
          for (int64_t t = 0; t < kernel * kernel; ++t) {
            const int64_t y = r * stride + t / kernel - padding, x = c * stride + t % kernel - padding;
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            const int64_t in = ((n * height + y) * width + x) * in_channels,
                          out = ((n * out_height() + r) * out_width() + c) * out_channels;
            for (int64_t i = 0; i < in_channels; ++i) {
              for (int64_t o = 0; o < out_channels; ++o)
                body(in + i, (o * in_channels + i) * kernel * kernel + t, out + o);
            }
          }
        }
      }
    }
  }
};

}  // namespace reviewkd::tests
