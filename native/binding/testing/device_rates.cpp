#include "binding/testing/device_rates.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include "binding/testing/convolution_rates.h"
#include "core/base/stopwatch.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::binding {
namespace {

using namespace ops;

class Measurement {
 public:
  Measurement(const KernelBackend& backend, const RateOptions& options)
      : backend_(backend),
        options_(options),
        map_(map({options.images, options.channels, options.side, options.side})) {}

  std::vector<KernelRate> all() {
    const int64_t bytes = static_cast<int64_t>(map_.nbytes());
    at::Tensor copy = at::empty_like(map_);
    add("copy", 2 * bytes, [&] { copy.copy_(map_); });
    normalization(bytes);
    pyramid(bytes);
    attention(bytes);
    optimizer();
    images();
    if (options_.type == at::kBFloat16) {
      for (KernelRate& rate : measure_convolutions(backend_, options_)) rates_.push_back(std::move(rate));
    }
    return std::move(rates_);
  }

 private:
  at::Tensor map(at::IntArrayRef sizes) const {
    return floats(sizes).to(options_.type).contiguous(at::MemoryFormat::ChannelsLast);
  }
  /// Values between 0 and 1.
  at::Tensor floats(at::IntArrayRef sizes) const {
    return at::arange(c10::multiply_integers(sizes), at::TensorOptions(at::kFloat).device(options_.device))
        .sin_()
        .abs_()
        .view(sizes);
  }

  /// Reading a value waits for all work submitted before.
  void wait() const { map_.select(0, 0).sum().item<float>(); }

  template <typename Work>
  void add(const std::string& name, int64_t bytes, const Work& work) {
    work();
    wait();
    Stopwatch watch;
    for (int64_t i = 0; i < options_.runs; ++i) work();
    wait();
    rates_.push_back({name, watch.lap() / static_cast<double>(options_.runs), bytes, 0});
  }

  void normalization(int64_t bytes) {
    const MapShape shape = map_shape(map_);
    const at::Tensor rows = floats({12, shape.channels});
    const auto row = [&](int64_t i) { return rows.data_ptr<float>() + i * shape.channels; };
    const at::Tensor scratch = floats({backend_.batch_norm_scratch(shape)});
    const at::Tensor other = map(map_.sizes()), out = at::empty_like(map_), masked = at::empty_like(map_);
    add("batch normalization: statistics", bytes, [&] {
      backend_.batch_norm_statistics({.shape = shape,
                                      .x = address(map_),
                                      .gamma = row(0),
                                      .beta = row(1),
                                      .bias = nullptr,
                                      .epsilon = 1e-5,
                                      .momentum = 0.1,
                                      .running_mean = row(2),
                                      .running_variance = row(3),
                                      .scratch = scratch.data_ptr<float>(),
                                      .scale = row(4),
                                      .shift = row(5),
                                      .mean = row(6),
                                      .inverse = row(7)});
    });
    add("normalize, add, ReLU", 3 * bytes, [&] {
      backend_.normalize({.shape = shape,
                          .x = address(map_),
                          .scale = row(4),
                          .shift = row(5),
                          .residual = address(other),
                          .out = nullptr,
                          .active = address(out)});
    });
    // The sums come first, because the gradient of each value depends on all: gradient, ReLU and map are read, and
    // the masked gradient is written and read again.
    add("batch normalization: gradient", 7 * bytes, [&] {
      backend_.batch_norm_gradient({.shape = shape,
                                    .gradient = address(other),
                                    .other_gradient = nullptr,
                                    .active = address(out),
                                    .x = address(map_),
                                    .mean = row(6),
                                    .inverse = row(7),
                                    .gamma = row(0),
                                    .masked = address(masked),
                                    .scratch = scratch.data_ptr<float>(),
                                    .factors = row(8),
                                    .gamma_gradient = row(2),
                                    .beta_gradient = row(3),
                                    .x_gradient = address(masked)});
    });
  }

  void pyramid(int64_t bytes) {
    const at::Tensor other = map(map_.sizes()), gradient = at::empty_like(map_), one = floats({1});
    Pyramid call{};
    call.type = value_type(options_.type);
    call.images = options_.images;
    call.height = call.width = options_.side;
    call.channels = options_.channels;
    call.cells = 4;
    call.weight = 1;
    for (const int64_t cells : {4, 2, 1}) {
      call.level_cells[call.levels] = cells;
      call.level_weight[call.levels++] = 0.25;
    }
    call.left = address(map_);
    call.right = address(other);
    const at::Tensor shifts = floats({call.images * 16 * call.channels}),
                     scratch = floats({backend_.pyramid_scratch(call)}), loss = floats({1});
    call.shifts = shifts.data_ptr<float>();
    call.scratch = scratch.data_ptr<float>();
    call.loss = loss.data_ptr<float>();
    call.loss_gradient = one.data_ptr<float>();
    call.left_gradient = address(gradient);
    add("pyramid loss", 2 * bytes, [&] { backend_.pyramid_loss(call); });
    add("pyramid loss: gradient", 3 * bytes, [&] { backend_.pyramid_gradient(call); });
  }

  void attention(int64_t bytes) {
    const int64_t half = options_.side / 2;
    const at::Tensor y = map({options_.images, options_.channels, half, half}), out = at::empty_like(map_),
                     x_gradient = at::empty_like(map_), y_gradient = at::empty_like(y);
    const at::Tensor weights = floats({4 * options_.channels}), bias = floats({2}),
                     z = floats({options_.images * options_.side * options_.side * 2});
    const at::Tensor weight_gradient = floats({4 * options_.channels}), bias_gradient = floats({2});
    AttentionMaps call{};
    call.type = value_type(options_.type);
    call.images = options_.images;
    call.rows = call.columns = half;
    call.down = call.right = 2;
    call.channels = options_.channels;
    call.x = address(map_);
    call.y = address(y);
    call.weights = weights.data_ptr<float>();
    call.bias = bias.data_ptr<float>();
    call.z = z.data_ptr<float>();
    call.out = address(out);
    const at::Tensor scratch = floats({backend_.attention_scratch(call)});
    call.gradient = address(out);
    call.scratch = scratch.data_ptr<float>();
    call.x_gradient = address(x_gradient);
    call.y_gradient = address(y_gradient);
    call.weight_gradient = weight_gradient.data_ptr<float>();
    call.bias_gradient = bias_gradient.data_ptr<float>();
    const int64_t small = bytes / 4;
    add("attention fusion", 2 * bytes + small, [&] { backend_.attention(call); });
    // The slopes come first: they read both maps and the gradient.
    add("attention fusion: gradient", 5 * bytes + 3 * small, [&] { backend_.attention_gradient(call); });
  }

  void optimizer() {
    const int64_t count = map_.numel() / 8;
    const at::Tensor parameter = floats({8, count}), gradient = floats({8, count}),
                     momentum_buffer = floats({8, count}), rate = floats({1}), finite = at::ones_like(rate);
    const at::Tensor position = at::zeros({}, at::TensorOptions(at::kLong).device(options_.device));
    std::vector<SgdTensor> tensors;
    tensors.reserve(8);
    for (int64_t i = 0; i < 8; ++i) {
      tensors.push_back({.parameter = parameter.data_ptr<float>() + i * count,
                         .gradient = gradient.data_ptr<float>() + i * count,
                         .momentum_buffer = momentum_buffer.data_ptr<float>() + i * count,
                         .bfloat16_copy = nullptr,
                         .count = count,
                         .rate_scale = 1.0f,
                         .decay = 5e-4f,
                         .gradient_type = ValueType::kFloat});
    }
    add("optimizer", 5 * static_cast<int64_t>(parameter.nbytes()), [&] {
      backend_.sgd({tensors.data(), 8, rate.data_ptr<float>(), position.const_data_ptr<int64_t>(),
                    finite.data_ptr<float>(), 0.9f, true});
    });
  }

  void images() {
    const int64_t count = options_.images * 16, side = options_.side;
    const at::Tensor pixels = at::zeros({count, 3, side, side}, at::TensorOptions(at::kByte).device(options_.device));
    const at::Tensor labels = at::zeros({count}, pixels.options().dtype(at::kLong)), lookup = floats({3, 256});
    at::Tensor picks = at::empty({count, static_cast<int64_t>(sizeof(ImagePick))}, at::kByte);
    auto* pick = reinterpret_cast<ImagePick*>(picks.data_ptr());
    for (int64_t i = 0; i < count; ++i)
      pick[i] = {static_cast<int32_t>(i * 7919 % count), 4, 4, static_cast<uint8_t>(i % 2), 0};
    picks = picks.to(options_.device);
    const at::Tensor out = floats({count, side, side, 3}), out_labels = at::empty_like(labels);
    add("batches: crop, flip, normalize", static_cast<int64_t>(pixels.nbytes() + out.nbytes()), [&] {
      backend_.gather_images({.images = address(pixels),
                              .labels = labels.const_data_ptr<int64_t>(),
                              .lookup = lookup.data_ptr<float>(),
                              .picks = static_cast<const ImagePick*>(address(picks)),
                              .position = nullptr,
                              .count = count,
                              .height = side,
                              .width = side,
                              .padding = 4,
                              .out = out.data_ptr<float>(),
                              .out_labels = out_labels.data_ptr<int64_t>()});
    });
  }

  const KernelBackend& backend_;
  const RateOptions& options_;
  at::Tensor map_;
  std::vector<KernelRate> rates_;
};

}  // namespace

std::vector<KernelRate> measure_kernels(const RateOptions& options) {
  const KernelBackend* backend = kernel_backend_of(options.device.type());
  if (backend == nullptr) return {};
  const c10::OptionalDeviceGuard device(options.device);
  return Measurement(*backend, options).all();
}

}  // namespace reviewkd::binding
