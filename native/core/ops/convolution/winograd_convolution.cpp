#include "core/ops/convolution/winograd_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "core/ops/backend/dispatch.h"

namespace reviewkd::ops {
namespace {

/// Tiles per image.
int64_t tiles_of(const ConvolutionShape& shape) { return ((shape.height + 3) / 4) * ((shape.width + 3) / 4); }

int64_t group_of(const ConvolutionShape& shape) {
  // The larger the filters, the more tiles should share one read of them.
  const int64_t few_tiles = std::max(shape.in_channels, shape.out_channels) < 128 ? 32 : 48;
  const int64_t tiles = tiles_of(shape);
  return (few_tiles + tiles - 1) / tiles;
}

/// Calls work(first, count) for parts of the channel pairs, in parallel if there are many.
template <typename Work>
void each_pairs(int64_t pairs, const Work& work) {
  constexpr int64_t kFewest = 4096;
  at::parallel_for(0, pairs / kLanes, kFewest / kLanes,
                   [&](int64_t first, int64_t last) { work(first * kLanes, (last - first) * kLanes); });
}

/// [I, O] planes of the nine positions -> [36, I, O].
at::Tensor transformed(const at::Tensor& planes, const WinogradKernels& kernels) {
  const at::Tensor filters = planes.contiguous();  // [3, 3, I, O]
  const int64_t pairs = filters.size(2) * filters.size(3);
  at::Tensor result = at::empty({kWinogradPoints, filters.size(2), filters.size(3)}, filters.options());
  each_pairs(pairs, [&](int64_t first, int64_t count) {
    kernels.transform_filters(filters.const_data_ptr<float>() + first, pairs, count, result.data_ptr<float>() + first);
  });
  return result;
}

}  // namespace

std::shared_ptr<const WinogradConvolution> WinogradConvolution::create(const ConvolutionShape& shape,
                                                                       at::ScalarType type) {
  const WinogradKernels* kernels = winograd_kernels(type);
  if (kernels == nullptr || shape.kernel != 3 || shape.stride != 1 || shape.padding != 1 ||
      shape.in_channels % kLanes != 0 || shape.out_channels % kLanes != 0) {
    return nullptr;
  }
  return std::make_shared<const WinogradConvolution>(shape, type, *kernels);
}

WinogradConvolution::WinogradConvolution(const ConvolutionShape& shape, at::ScalarType type,
                                         const WinogradKernels& kernels)
    : ImageConvolution(shape),
      value_bytes_(static_cast<int64_t>(c10::elementSize(type))),
      kernels_(&kernels),
      group_(group_of(shape)) {}

at::Tensor WinogradConvolution::pack(const at::Tensor& weight, const float* factors) const {
  at::Tensor planes = weight.detach().permute({2, 3, 1, 0});  // [3, 3, I, O]
  if (factors != nullptr)
    planes = planes * at::from_blob(const_cast<float*>(factors), {shape().out_channels}, at::kFloat);
  return transformed(planes, *kernels_);
}

bool WinogradConvolution::repacks_for(int64_t images) const {
  // Transformed filters take four times the weights' memory, and 64 tiles cost ten times as much as transforming
  // them.
  constexpr int64_t kMuchMemory = int64_t{1} << 20;
  constexpr int64_t kManyTiles = 64;
  return weight_sums() * static_cast<int64_t>(sizeof(float)) > kMuchMemory && images * tiles_of(shape()) >= kManyTiles;
}

at::Tensor WinogradConvolution::pack_for_gradient(const at::Tensor& weight) const {
  // The input gradient is a convolution, too: with flipped filters and exchanged channels.
  return transformed(weight.detach().flip({2, 3}).permute({2, 3, 0, 1}), *kernels_);
}

int64_t WinogradConvolution::most_shares() const {
  // As many tiles as share one read of the filters.
  constexpr int64_t kFewTiles = 32;
  return std::max<int64_t>(1, tiles_of(shape()) / kFewTiles);
}

Winograd WinogradConvolution::convolution(const void* in, const at::Tensor& packed, void* out, int64_t count,
                                          const WorkShare& share, ScratchScope& scratch) const {
  const int64_t tiles = count * tiles_of(shape());
  return {
      .in = in,
      .filters = packed.const_data_ptr<float>(),
      .out = out,
      .scratch = kernel_scratch(scratch),
      .images = count,
      .height = shape().height,
      .width = shape().width,
      .in_channels = shape().in_channels,
      .out_channels = shape().out_channels,
      .bias = nullptr,
      .residual = nullptr,
      .relu = false,
      .first_tile = share.begin(tiles),
      .tiles = share.end(tiles) - share.begin(tiles),
  };
}

void WinogradConvolution::forward(const void* images, int64_t count, const at::Tensor& packed, const float* bias,
                                  const void* residual, bool relu, void* out, const WorkShare& share) const {
  ScratchScope scratch;
  Winograd task = convolution(images, packed, out, count, share, scratch);
  task.bias = bias;
  task.residual = residual;
  task.relu = relu;
  kernels_->convolve(task);
}

OutputGradients WinogradConvolution::output_gradients(ScratchScope& scratch) const {
  OutputGradients gradients = borderless_gradients(nullptr, value_bytes_);
  gradients.start = scratch.take<std::byte>(group_ * gradients.image_bytes).data();
  return gradients;
}

void WinogradConvolution::input_gradient(const OutputGradients& gradients, int64_t count, const at::Tensor& packed,
                                         const void* added, void* out, const WorkShare& share) const {
  ScratchScope scratch;
  Winograd task = convolution(gradients.start, packed, out, count, share, scratch);
  std::swap(task.in_channels, task.out_channels);
  task.residual = added;
  kernels_->convolve(task);
}

void WinogradConvolution::add_weight_gradient(const void* images, const OutputGradients& gradients, int64_t count,
                                              float* sums, const WorkShare& share) const {
  const int64_t tiles = count * tiles_of(shape());
  ScratchScope scratch;
  kernels_->add_gradient({
      .in = images,
      .gradient = gradients.start,
      .sums = sums,
      .scratch = kernel_scratch(scratch),
      .images = count,
      .height = shape().height,
      .width = shape().width,
      .in_channels = shape().in_channels,
      .out_channels = shape().out_channels,
      .first_tile = share.begin(tiles),
      .tiles = share.end(tiles) - share.begin(tiles),
  });
}

int64_t WinogradConvolution::weight_sums() const {
  return kWinogradPoints * shape().in_channels * shape().out_channels;
}

void WinogradConvolution::unpack_weight_gradient(const float* sums, at::Tensor& gradient) const {
  const at::Tensor planes = at::empty({3, 3, shape().in_channels, shape().out_channels}, at::kFloat);
  const int64_t pairs = shape().in_channels * shape().out_channels;
  float* const places = planes.data_ptr<float>();
  each_pairs(pairs, [&](int64_t first, int64_t count) {
    kernels_->restore_filters(sums + first, pairs, count, places + first);
  });
  gradient.copy_(planes.permute({3, 2, 0, 1}));
}

float* WinogradConvolution::kernel_scratch(ScratchScope& scratch) const {
  return scratch.take<float>(kernels_->scratch_size(shape().in_channels, shape().out_channels)).data();
}

}  // namespace reviewkd::ops
