#pragma once
// The operations of kernel_backend.h as kernel launches. Included by the one file that launches on the device and by
// the one that runs the same kernels on the host; each provides its own `launch(kernel)`.

#include "core/ops/backend/kernel_backend.h"
#include "cuda/detection_table.h"
#include "cuda/kernels/attention_gradient.h"
#include "cuda/kernels/batch_norm.h"
#include "cuda/kernels/cross_entropy.h"
#include "cuda/kernels/images.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/kernels/scalars.h"
#include "cuda/kernels/sgd.h"
#include "cuda/tensor_convolution_table.h"
#include "cuda/with_type.h"

namespace reviewkd::cuda {
namespace {

template <typename T>
Layout layout_of(const ops::MapShape& shape) {
  return Layout::of(shape.pixels, shape.channels / Pack<T>::kSize);
}

int64_t batch_norm_scratch(const ops::MapShape& shape) {
  return with_type(shape.type, [&](auto typed) {
    return layout_of<typename decltype(typed)::Type>(shape).parts * 2 * shape.channels;
  });
}

void batch_norm_statistics(const ops::BatchNormStatistics& call) {
  with_type(call.shape.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    launch(BatchStatistics<T>{{layout_of<T>(call.shape), call.scratch}, call});
  });
}

/// Without sums.
template <typename T>
Layout layout_over(const ops::MapShape& shape) {
  return Layout::over(shape.pixels, shape.channels / Pack<T>::kSize);
}

void normalize(const ops::Normalization& call) {
  with_type(call.shape.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    launch(Normalize<T>{layout_over<T>(call.shape), call});
  });
}

void batch_norm_gradient(const ops::BatchNormGradient& call) {
  with_type(call.shape.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    launch(ReduceGradient<T>{{layout_of<T>(call.shape), call.scratch}, call});
    ops::BatchNormGradient rest = call;
    if (call.masked != nullptr) {
      rest.gradient = call.masked;
      rest.other_gradient = rest.active = nullptr;
    }
    launch(ApplyGradient<T>{layout_over<T>(call.shape), rest});
  });
}

/// Of one window.
template <typename T>
Layout layout_of(const ops::Pyramid& call) {
  return Layout::of(Windows::of(call).pixels(), call.channels / Pack<T>::kSize);
}

template <typename T>
int64_t windows_and_groups(const ops::Pyramid& call) {
  return call.images * call.cells * call.cells * layout_of<T>(call).groups;
}

int64_t pyramid_scratch(const ops::Pyramid& call) {
  const int64_t squares =
      with_type(call.type, [&](auto typed) { return windows_and_groups<typename decltype(typed)::Type>(call); });
  return squares + ceil_div(call.images * call.channels, TurnSums::kThreads);
}

double pyramid_factor(const ops::Pyramid& call) {
  return call.weight / static_cast<double>(call.images * call.height * call.width * call.channels);
}

void pyramid_loss(const ops::Pyramid& call) {
  with_type(call.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    const WindowDifferences<T> differences{layout_of<T>(call), call, call.scratch};
    launch(differences);
    launch(
        TurnSums{call, call.scratch, differences.blocks(), pyramid_factor(call), call.scratch + differences.blocks()});
  });
}

void pyramid_gradient(const ops::Pyramid& call) {
  with_type(call.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    launch(PyramidGradient<T>{Layout::over(call.images * call.height * call.width, call.channels / Pack<T>::kSize),
                              call, static_cast<float>(2.0 * pyramid_factor(call))});
  });
}

/// Of the pixels of y.
template <typename T>
Layout layout_of(const ops::AttentionMaps& call) {
  const int64_t pixels = call.images * call.rows * call.columns;
  const int64_t packs = call.channels / Pack<T>::kSize;
  return AttentionWindowGradient<T>::suits(call) ? AttentionWindowGradient<T>::layout_of(pixels, packs)
                                                 : Layout::of(pixels, packs, 1);
}

int64_t attention_scratch(const ops::AttentionMaps& call) {
  const int64_t parts =
      with_type(call.type, [&](auto typed) { return layout_of<typename decltype(typed)::Type>(call).parts; });
  return 2 * static_cast<int64_t>(x_pixels(call)) + parts * (4 * call.channels + 2);
}

void attention(const ops::AttentionMaps& call) {
  with_type(call.type, [&](auto typed) { launch(FuseByAttention<typename decltype(typed)::Type>{call}); });
}

void attention_gradient(const ops::AttentionMaps& call) {
  with_type(call.type, [&](auto typed) {
    using T = typename decltype(typed)::Type;
    float* slopes = call.scratch;
    float* partials = slopes + 2 * static_cast<int64_t>(x_pixels(call));
    launch(AttentionSlopes<T>{call, slopes});
    if (AttentionWindowGradient<T>::suits(call))
      launch(AttentionWindowGradient<T>{{layout_of<T>(call), call, slopes, partials}});
    else launch(AttentionGradient<T>{{layout_of<T>(call), call, slopes, partials}});
  });
}

void sgd(const ops::SgdTensors& call) {
  for (int64_t first = 0; first < call.count; first += kMostTensors) {
    SgdSteps steps{};
    steps.count = static_cast<int32_t>(smaller<int64_t>(kMostTensors, call.count - first));
    steps.rates = call.rates;
    steps.position = call.position;
    steps.finite = call.finite;
    steps.momentum = call.momentum;
    steps.nesterov = call.nesterov;
    for (int32_t i = 0; i < steps.count; ++i) {
      steps.tensors[i] = call.tensors[first + i];
      steps.first_block[i + 1] =
          steps.first_block[i] + static_cast<int32_t>(ceil_div(steps.tensors[i].count, SgdSteps::kValues));
    }
    launch(steps);
  }
}

int64_t cross_entropy_scratch(const ops::CrossEntropy& call) { return 2 * call.rows; }

void cross_entropy(const ops::CrossEntropy& call) {
  with_type(call.type, [&](auto typed) { launch(ClassifyRows<typename decltype(typed)::Type>{call}); });
}

void scaled_copy(const ops::ScaledCopy& call) {
  with_type(call.type, [&](auto typed) { launch(CopyScaled<typename decltype(typed)::Type>{call}); });
}

void scalar_sum(const ops::ScalarSum& call) { launch(SumScalars{call}); }
void scalar_sum_gradient(const ops::ScalarSumGradient& call) { launch(SumScalarsGradient{call}); }
void step_report(const ops::StepReport& call) { launch(ReportStep{call}); }

void step_end(const ops::StepEnd& call) {
  int64_t first = 0;
  do {
    EndStep end{};
    end.count = static_cast<int32_t>(smaller<int64_t>(kMostCounters, call.count - first));
    for (int32_t i = 0; i < end.count; ++i) end.counters[i] = call.counters[first + i];
    // The schedule advances once.
    end.position = first == 0 ? call.position : nullptr;
    end.step = call.step;
    launch(end);
    first += kMostCounters;
  } while (first < call.count);
}

void gather_images(const ops::ImageGathering& call) { launch(GatherImages{call}); }

/// The kernels; the caller fills in the rest.
ops::KernelBackend kernel_table() {
  ops::KernelBackend table{};
  table.version = ops::kKernelBackendVersion;
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
  table.cross_entropy_scratch = &cross_entropy_scratch;
  table.cross_entropy = &cross_entropy;
  table.scaled_copy = &scaled_copy;
  table.scalar_sum = &scalar_sum;
  table.scalar_sum_gradient = &scalar_sum_gradient;
  table.step_report = &step_report;
  table.step_end = &step_end;
  table.gather_images = &gather_images;
  table.suppress_boxes = &suppress_boxes;
  table.focal_loss_scratch = &focal_loss_scratch;
  table.focal_loss = &focal_loss;
  table.focal_loss_gradient = &focal_loss_gradient;
  table.pool_rois = &pool_rois;
  table.pool_rois_gradient = &pool_rois_gradient;
  table.paste_masks = &paste_masks;
  table.tensor_convolution_parts = &tensor_convolution_parts;
  table.pack_tensor_weights = &pack_tensor_weights;
  table.tensor_convolution = &tensor_convolution;
  return table;
}

}  // namespace
}  // namespace reviewkd::cuda
