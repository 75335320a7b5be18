#include "binding/testing/convolution_rates.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>

#include "core/base/stopwatch.h"
#include "core/ops/backend/device_streams.h"
#include "core/ops/convolution/tensor_convolution.h"

namespace reviewkd::binding {
namespace {

using namespace ops;

struct Shape {
  int64_t in, out, side, stride;
};

/// The 3 × 3 convolutions of ResNet-20 to ResNet-110.
constexpr Shape kShapes[] = {{16, 16, 32, 1}, {16, 32, 32, 2}, {32, 32, 16, 1}, {32, 64, 16, 2}, {64, 64, 8, 1}};

/// Calls per graph: a launch from the host takes longer than such a kernel.
constexpr int64_t kRecordedCalls = 20;

/// Seconds per call of `work`, which returns a tensor that it has written.
template <typename Work>
double seconds_of(const KernelBackend& backend, const RateOptions& options, const Work& work) {
  at::Tensor output;
  const auto wait = [&] { output[0][0][0][0].item<float>(); };
  for (int i = 0; i < 3; ++i) output = work();
  wait();
  const auto timed = [&](int64_t calls, const auto& repeat) {
    Stopwatch watch;
    for (int64_t i = 0; i < options.runs; ++i) repeat();
    wait();
    return watch.lap() / static_cast<double>(options.runs * calls);
  };
  // The host emulation records nothing.
  if (!options.device.is_cuda()) return timed(1, [&] { output = work(); });
  const auto streams = DeviceStreams::create(backend);
  const StreamsScope scope(streams.get());
  const auto graph = DeviceGraph::record(*streams, [&] {
    for (int64_t i = 0; i < kRecordedCalls; ++i) output = work();
  });
  graph->replay();
  wait();
  return timed(kRecordedCalls, [&] { graph->replay(); });
}

}  // namespace

std::vector<KernelRate> measure_convolutions(const ops::KernelBackend& backend, const RateOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<KernelRate> rates;
  const auto values = [&](at::IntArrayRef sizes) {
    return at::arange(c10::multiply_integers(sizes), at::TensorOptions(at::kFloat).device(options.device))
        .sin_()
        .view(sizes);
  };
  const auto map = [&](at::IntArrayRef sizes) {
    return values(sizes).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const int64_t images = std::min<int64_t>(options.images, 128);
  for (const Shape& shape : kShapes) {
    const TensorConvolutionInputs plain{.x = map({images, shape.in, shape.side, shape.side}),
                                        .weight = map({shape.out, shape.in, 3, 3}),
                                        .stride = shape.stride,
                                        .scale = {},
                                        .shift = {},
                                        .origin = {}};
    if (!supports_tensor_convolution(plain)) return {};
    TensorConvolutionInputs fused = plain;
    fused.scale = values({shape.in});
    fused.shift = values({shape.in});
    fused.origin = values({shape.out});
    const at::Tensor packed = pack_tensor_weights(plain.weight);
    const int64_t side = shape.side / shape.stride, pixels = images * side * side;
    const int64_t bytes = 2 * (plain.x.numel() + plain.weight.numel() + pixels * shape.out);
    const int64_t operations = 2 * 9 * shape.in * shape.out * pixels;
    const std::string name = "3×3 convolution, " + std::to_string(images) + "×" + std::to_string(shape.side) + "×" +
                             std::to_string(shape.side) + "×" + std::to_string(shape.in) + " → " +
                             std::to_string(side) + "×" + std::to_string(side) + "×" + std::to_string(shape.out);
    const auto add = [&](const char* kind, const auto& work) {
      rates.push_back({name + kind, seconds_of(backend, options, work), bytes, operations});
    };
    add(": PyTorch (cuDNN)", [&] { return at::conv2d(plain.x, plain.weight, {}, shape.stride, 1); });
    add(": tensor cores", [&] { return tensor_convolution(plain, packed).output; });
    add(": tensor cores, with norm, ReLU and moments", [&] { return tensor_convolution(fused, packed).output; });
  }
  return rates;
}

}  // namespace reviewkd::binding
