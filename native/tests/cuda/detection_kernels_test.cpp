// The device's kernels of detectors on the host, compared with the operations of the CPU.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/ops/boxes/boxes.h"
#include "core/ops/boxes/overlaps.h"
#include "core/ops/focal_loss/focal_loss.h"
#include "core/ops/paste_masks/paste_masks.h"
#include "core/ops/roi_align/roi_align.h"
#include "cuda/run_on_host.h"
#include "cuda/run_warps_on_host.h"
#include "tests/support/boxes.h"

namespace reviewkd::cuda {
namespace {

template <typename Kernel>
void launch(const Kernel& kernel) {
  run_on_host(kernel);
}

template <typename Kernel>
void launch_warps(const Kernel& kernel) {
  run_warps_on_host(kernel);
}

template <typename Kernel>
bool supports_warps() {
  return true;
}

}  // namespace
}  // namespace reviewkd::cuda

#include "cuda/kernel_table.h"

namespace reviewkd::tests::detection_device_kernels {
namespace {

const ops::KernelBackend kernels = cuda::kernel_table();

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

TEST(DeviceDetection, ComparesEachBoxWithThoseOfItsClassBelowIt) {
  for (const int64_t count : {0, 1, 64, 65, 150}) {
    const at::Tensor boxes = noise_boxes(count, 1), classes = at::arange(count).remainder(3);
    const int64_t words = (count + 63) / 64;
    // Every word is written.
    std::vector<uint64_t> bits(static_cast<size_t>(count * words), ~uint64_t{0});
    kernels.suppress_boxes({count, boxes.const_data_ptr<float>(), classes.const_data_ptr<int64_t>(),
                            ops::rounded_down<float>(0.25), bits.data()});
    const at::Tensor above = ops::box_iou(boxes, boxes) > 0.25;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = 0; j < words * 64; ++j) {
        const bool expected = j > i && j < count && i % 3 == j % 3 && above[i][j].item<bool>();
        ASSERT_EQ((bits[static_cast<size_t>(i * words + j / 64)] >> (j % 64) & 1) != 0, expected) << i << ", " << j;
      }
    }
  }
}

class DeviceDetectionOf : public testing::TestWithParam<at::ScalarType> {
 protected:
  static bool is_float() { return GetParam() == at::kFloat; }
  static ops::ValueType type() { return is_float() ? ops::ValueType::kFloat : ops::ValueType::kBfloat16; }
  /// Of bfloat16, half of the last of eight bits; of float32, sums in another order.
  static double tolerance() { return is_float() ? 2e-6 : 0x1p-8; }
};

TEST_P(DeviceDetectionOf, SumsFocalLosses) {
  for (const double gamma : {0.0, 1.5, 2.0}) {
    const at::Tensor logits = leaf(noise_tensor({900, 91}, 1, at::kFloat, 4), GetParam());
    const at::Tensor classes = at::arange(900).remainder(93) - 2;
    at::Tensor gradient = at::empty_like(logits);
    float loss = 0;
    const float factor = 0.25f;
    ops::FocalLossSum call{};
    call.type = type();
    call.anchors = 900;
    call.columns = 91;
    call.logits = logits.const_data_ptr();
    call.classes = classes.const_data_ptr<int64_t>();
    call.object_weight = 0.25f;
    call.background_weight = 0.75f;
    call.gamma = static_cast<float>(gamma);
    std::vector<float> scratch(static_cast<size_t>(kernels.focal_loss_scratch(call)));
    call.scratch = scratch.data();
    call.loss = &loss;
    call.loss_gradient = &factor;
    call.gradient = gradient.data_ptr();
    kernels.focal_loss(call);
    kernels.focal_loss_gradient(call);
    const at::Tensor exact = leaf(logits, at::kDouble);
    const at::Tensor expected = ops::sigmoid_focal_loss_sum_reference(exact, classes, 0.25, gamma);
    EXPECT_NEAR(loss, expected.item<double>(), 2e-6 * expected.item<double>());
    expect_close(gradient, gradients_of(expected, at::scalar_tensor(factor), {exact})[0], tolerance(), "gradient");
  }
}

struct DeviceRois {
  std::vector<at::Tensor> maps, gradients;
  std::vector<double> scales;
  at::Tensor rois, levels;
  ops::RoiPooling call{};

  DeviceRois(at::ScalarType type, const ops::RoiAlignOptions& options) {
    for (int64_t i = 0; i < 3; ++i) {
      maps.push_back(leaf(noise_tensor({2, 24, 18 >> i, 12 >> i}, 1 + i), type));
      gradients.push_back(at::full_like(maps.back(), kNan));
      scales.push_back(0.25 / static_cast<double>(1 << i));
      call.level[i] = {maps[static_cast<size_t>(i)].const_data_ptr(), gradients[static_cast<size_t>(i)].data_ptr(),
                       18 >> i, 12 >> i, static_cast<float>(scales.back())};
    }
    // Among others a region beyond the maps, one much larger, and one without a side.
    rois = at::cat({noise_rois(20, 2, 5, at::kFloat, 70, 60),
                    boxes_of({0, 900, 900, 990, 990, 1, -3000, -4000, 5000, 6000, 1, 9, 9, 9, 9}, at::kFloat, 5)});
    levels = at::arange(rois.size(0)).remainder(3);
    call.type = type == at::kFloat ? ops::ValueType::kFloat : ops::ValueType::kBfloat16;
    call.count = rois.size(0);
    call.images = 2;
    call.channels = 24;
    call.height = options.height;
    call.width = options.width;
    call.sampling_ratio = options.sampling_ratio;
    call.aligned = options.aligned;
    call.levels = 3;
    call.rois = rois.const_data_ptr<float>();
    call.level_of = levels.const_data_ptr<int64_t>();
  }
};

TEST_P(DeviceDetectionOf, PoolsRegionsFromTheirMapsAndAddsTheirGradients) {
  for (const ops::RoiAlignOptions options :
       {ops::RoiAlignOptions{7, 7, 1, 2, false}, ops::RoiAlignOptions{2, 3, 1, 0, true}}) {
    DeviceRois device(GetParam(), options);
    at::Tensor out = at::full({device.rois.size(0), 24, options.height, options.width}, kNan, GetParam())
                         .contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor upstream = noise_tensor(out.sizes(), 9).to(GetParam());
    device.call.out = out.data_ptr();
    device.call.out_gradient = upstream.const_data_ptr();
    kernels.pool_rois(device.call);
    kernels.pool_rois_gradient(device.call);
    const at::Tensor expected =
        ops::multiscale_roi_align(device.maps, device.rois, device.levels, device.scales, options);
    expect_close(out, expected, 2 * tolerance(), "bins");
    const auto wanted = gradients_of(expected, upstream, device.maps);
    for (size_t i = 0; i < wanted.size(); ++i)
      expect_close(device.gradients[i], wanted[i], 2 * tolerance(), "gradient of a map");
  }
}

INSTANTIATE_TEST_SUITE_P(Types, DeviceDetectionOf, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return std::string(c10::toString(info.param)); });

TEST(DeviceDetection, ReadsNoMemoryForRegionsOfNoImageOrLevel) {
  DeviceRois device(at::kFloat, {2, 2, 1, 2, false});
  device.rois.select(1, 0).copy_(at::tensor({-1.0f, 2.0f, kNan, 1e30f}).repeat(6).slice(0, 0, device.rois.size(0)));
  device.rois[4][0] = 1.0f;
  device.levels[4] = 3;
  device.rois[5][0] = 1.0f;
  device.levels[5] = -1;
  at::Tensor out = at::full({device.rois.size(0), 24, 2, 2}, kNan).contiguous(at::MemoryFormat::ChannelsLast);
  device.call.out = out.data_ptr();
  device.call.out_gradient = out.const_data_ptr();
  kernels.pool_rois(device.call);
  EXPECT_TRUE(out.equal(at::zeros_like(out)));
  kernels.pool_rois_gradient(device.call);
  for (const at::Tensor& gradient : device.gradients) EXPECT_TRUE(gradient.equal(at::zeros_like(gradient)));
}

TEST(DeviceDetection, PastesMasks) {
  const at::Tensor boxes =
      at::cat({noise_boxes(6, 1) + 0.25,
               boxes_of({-300, -200, 400, 500, kNan, 0, 4, 4, 0, 0, kInfinity, 4, 4, 4, 1, 1, -1e30, -1e30, 1e30, 1e30},
                        at::kFloat)});
  const int64_t count = boxes.size(0);
  const at::Tensor grids = noise_tensor({count, 14, 14}, 3).abs() / 2;
  for (const auto rule : {ops::MaskPaste::kTorchvision, ops::MaskPaste::kDetectron2}) {
    at::Tensor probabilities = at::full({count, 40, 60}, kNan), binary = at::full({count, 40, 60}, 7, at::kByte);
    ops::MaskPasting call{count,
                          14,
                          40,
                          60,
                          rule == ops::MaskPaste::kDetectron2,
                          grids.const_data_ptr<float>(),
                          boxes.const_data_ptr<float>(),
                          0.5f,
                          probabilities.data_ptr<float>(),
                          nullptr};
    kernels.paste_masks(call);
    const at::Tensor expected = ops::paste_masks(grids, boxes, 40, 60, rule);
    // Positions of up to fourteen points, of sums in the same order.
    expect_close(probabilities, expected, 2e-6, "probabilities");
    call.probabilities = nullptr;
    call.binary = binary.data_ptr<uint8_t>();
    kernels.paste_masks(call);
    const bool includes = rule == ops::MaskPaste::kDetectron2;
    EXPECT_TRUE(binary.equal((includes ? probabilities >= 0.5 : probabilities > 0.5).to(at::kByte)));
  }
}

}  // namespace
}  // namespace reviewkd::tests::detection_device_kernels
