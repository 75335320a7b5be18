#pragma once
// The operations of accelerator.h as launches of kernels. Included by the one file that launches on the device and by the one that runs the same
// kernels on the host; each brings its own `launch(kernel)`.

#include "core/ops/accelerator.h"
#include "cuda/kernels/attention.h"
#include "cuda/kernels/batch_norm.h"
#include "cuda/kernels/images.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/kernels/sgd.h"
#include "cuda/tensor_convolution_table.h"

namespace reviewkd::cuda {
namespace {

template <typename T>
struct Typed {
  using Type = T;
};

/// Calls work(Typed<T>) with the type of a map's values.
template <typename Work>
auto with_type(ops::ValueType type, const Work& work) {
  return type == ops::ValueType::kFloat ? work(Typed<float>{}) : work(Typed<Bfloat16>{});
}

template <typename T>
Layout layout_of(const ops::MapShape& shape) {
  return Layout::of(shape.pixels, shape.channels / Pack<T>::kSize);
}

int64_t batch_norm_scratch(const ops::MapShape& shape) {
  return with_type(shape.type, [&](auto typed) { return layout_of<typename decltype(typed)::Type>(shape).parts * 2 * shape.channels; });
}

void batch_norm_statistics(const ops::BatchNormStatistics& call) {
  with_type(call.shape.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    const Layout layout = layout_of<T>(call.shape);
    launch(BatchMoments<T>{{layout, call.scratch}, static_cast<const T*>(call.x)});
    launch(FinishStatistics<T>{{layout.parts, call.shape.channels, call.scratch}, call});
  });
}

void normalize(const ops::Normalization& call) {
  with_type(call.shape.type, [&](auto typed) { launch(Normalize<typename decltype(typed)::Type>{call}); });
}

void batch_norm_gradient(const ops::BatchNormGradient& call) {
  with_type(call.shape.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    const Layout layout = layout_of<T>(call.shape);
    launch(ReduceGradient<T>{{layout, call.scratch}, call});
    launch(FinishGradient{{layout.parts, call.shape.channels, call.scratch}, call});
    launch(ApplyGradient<T>{call});
  });
}

/// Of one window.
template <typename T>
Layout layout_of(const ops::Pyramid& call) {
  return Layout::of(Windows::of(call).pixels(), call.channels / Pack<T>::kSize);
}

int64_t pyramid_scratch(const ops::Pyramid& call) {
  const int64_t blocks = with_type(call.type, [&](auto typed) {
    return call.images * call.cells * call.cells * layout_of<typename decltype(typed)::Type>(call).groups;
  });
  return blocks + call.images * call.channels;
}

void pyramid_loss(const ops::Pyramid& call) {
  with_type(call.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    const WindowDifferences<T> differences{layout_of<T>(call), call, call.scratch};
    float* parts = call.scratch + differences.blocks();
    launch(differences);
    launch(TurnSums{call, parts});
    const double factor = call.weight / static_cast<double>(call.images * call.height * call.width * call.channels);
    launch(SumLoss{call.scratch, differences.blocks(), factor, parts, call.images * call.channels, call.loss});
  });
}

void pyramid_gradient(const ops::Pyramid& call) {
  const double factor = 2.0 * call.weight / static_cast<double>(call.images * call.height * call.width * call.channels);
  with_type(call.type, [&](auto typed) { launch(PyramidGradient<typename decltype(typed)::Type>{call, static_cast<float>(factor)}); });
}

/// Of the pixels of y.
template <typename T>
Layout layout_of(const ops::AttentionMaps& call) {
  return Layout::of(call.images * call.rows * call.columns, call.channels / Pack<T>::kSize, 1);
}

int64_t attention_scratch(const ops::AttentionMaps& call) {
  const int64_t parts = with_type(call.type, [&](auto typed) { return layout_of<typename decltype(typed)::Type>(call).parts; });
  return 2 * x_pixels(call) + parts * (4 * call.channels + 2);
}

void attention(const ops::AttentionMaps& call) {
  with_type(call.type, [&](auto typed) { launch(FuseByAttention<typename decltype(typed)::Type>{call}); });
}

void attention_gradient(const ops::AttentionMaps& call) {
  with_type(call.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    const Layout layout = layout_of<T>(call);
    float* slopes = call.scratch;
    float* partials = slopes + 2 * x_pixels(call);
    launch(AttentionSlopes<T>{call, slopes});
    launch(AttentionGradient<T>{layout, call, slopes, partials});
    launch(FinishAttentionGradient{layout.parts, 4 * call.channels + 2, partials, call.weight_gradient, call.bias_gradient});
  });
}

void sgd(const ops::SgdTensors& call) {
  for (int64_t first = 0; first < call.count; first += kMostTensors) {
    SgdSteps steps{};
    steps.count = static_cast<int32_t>(smaller<int64_t>(kMostTensors, call.count - first));
    steps.rate = call.rate;
    steps.finite = call.finite;
    steps.momentum = call.momentum;
    steps.nesterov = call.nesterov;
    for (int32_t i = 0; i < steps.count; ++i) {
      steps.tensors[i] = call.tensors[first + i];
      steps.first_block[i + 1] = steps.first_block[i] + static_cast<int32_t>(ceil_div(steps.tensors[i].count, SgdSteps::kValues));
    }
    launch(steps);
  }
}

void gather_images(const ops::ImageGathering& call) { launch(GatherImages{call}); }

/// The kernels; the rest is for the caller to fill in.
ops::Accelerator kernel_table() {
  ops::Accelerator table{};
  table.version = ops::kAcceleratorVersion;
  table.batch_norm_scratch = &batch_norm_scratch;
  table.batch_norm_statistics = &batch_norm_statistics;
  table.normalize = &normalize;
  table.batch_norm_gradient = &batch_norm_gradient;
  table.pyramid_scratch = &pyramid_scratch;
  table.pyramid_loss = &pyramid_loss;
  table.pyramid_gradient = &pyramid_gradient;
  table.attention_scratch = &attention_scratch;
  table.attention = &attention;
  table.attention_gradient = &attention_gradient;
  table.sgd = &sgd;
  table.gather_images = &gather_images;
  table.tensor_convolution_parts = &tensor_convolution_parts;
  table.pack_tensor_weights = &pack_tensor_weights;
  table.tensor_convolution = &tensor_convolution;
  return table;
}

}  // namespace
}  // namespace reviewkd::cuda
