#pragma once
// The values that a pooling of regions saves for its gradient, in addition to the regions: sizes rather than maps.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "core/ops/roi_align/roi_align.h"

namespace reviewkd::ops {

struct SavedRoiAlign {
  std::vector<std::vector<int64_t>> sizes;  // of each map, [N, C, H, W]
  std::vector<double> scales;
  RoiAlignOptions options;
  at::ScalarType type;      // that maps are read in
  at::ScalarType map_type;  // their own

  static SavedRoiAlign of(at::TensorList maps, const std::vector<double>& scales, const RoiAlignOptions& options,
                          at::ScalarType type) {
    SavedRoiAlign saved{{}, scales, options, type, maps[0].scalar_type()};
    for (const at::Tensor& map : maps) saved.sizes.push_back(map.sizes().vec());
    return saved;
  }

  int64_t images() const { return sizes[0][0]; }
  int64_t channels() const { return sizes[0][1]; }
  int64_t height(size_t map) const { return sizes[map][2]; }
  int64_t width(size_t map) const { return sizes[map][3]; }

  void save(torch::autograd::AutogradContext* context) const {
    std::vector<int64_t> numbers = {options.height,
                                    options.width,
                                    options.sampling_ratio,
                                    options.aligned ? 1 : 0,
                                    static_cast<int64_t>(type),
                                    static_cast<int64_t>(map_type)};
    for (const auto& size : sizes) numbers.insert(numbers.end(), size.begin(), size.end());
    context->saved_data["numbers"] = numbers;
    context->saved_data["scales"] = scales;
  }

  static SavedRoiAlign load(torch::autograd::AutogradContext* context) {
    constexpr size_t kOptions = 6, kDimensions = 4;
    const std::vector<int64_t> numbers = context->saved_data["numbers"].toIntVector();
    SavedRoiAlign saved{{},
                        context->saved_data["scales"].toDoubleVector(),
                        {numbers[0], numbers[1], 1.0, numbers[2], numbers[3] != 0},
                        static_cast<at::ScalarType>(numbers[4]),
                        static_cast<at::ScalarType>(numbers[5])};
    for (auto at = numbers.begin() + kOptions; at != numbers.end(); at += kDimensions)
      saved.sizes.emplace_back(at, at + kDimensions);
    return saved;
  }
};

}  // namespace reviewkd::ops
