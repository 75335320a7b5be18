#pragma once
// The interface of a device plugin: kernels for the fused operations, streams and graphs of work. A table of plain
// functions on plain pointers, so that kernels are compiled without libtorch's headers; the caller provides all
// memory.
//
// Maps are in channels-last order, [pixels, channels]. Channels are multiples of kKernelBackendChannels, addresses of
// maps multiples of kKernelBackendAlignment. Kernels run on the calling thread's current stream and do not wait;
// errors are thrown as std::runtime_error.

#include <cstdint>

namespace reviewkd::ops {

/// Incremented whenever a declaration below changes. A plugin of another version is not used.
constexpr int32_t kKernelBackendVersion = 4;
constexpr const char* kKernelBackendSymbol = "reviewkd_kernel_backend";

constexpr int64_t kKernelBackendChannels = 8;
constexpr int64_t kKernelBackendAlignment = 16;
/// Channels are read in groups of 128 bytes; the blocks of a group share a counter, and the number of counters is
/// limited.
constexpr int64_t kMostChannels = 4096;
/// Pixels of a map are counted in 32 bits.
constexpr int64_t kMostPixels = int64_t{1} << 30;
constexpr int kMostLevels = 8;
constexpr int kMostScalars = 64;

enum class ValueType : int32_t { kFloat, kBfloat16 };

/// [pixels, channels]
struct MapShape {
  ValueType type;
  int64_t pixels, channels;
};

/// Converts batch statistics to scale · x + shift = gamma · (x - mean) · inverse + beta, with
/// inverse = 1 / sqrt(variance + epsilon); updates the running statistics with `momentum`. All but x and scratch:
/// [channels].
struct BatchNormStatistics {
  MapShape shape;
  const void* x;
  const float *gamma, *beta;
  const float* bias;  // of the preceding convolution, which did not add it; may be null
  double epsilon, momentum;
  float *running_mean, *running_variance;
  float* scratch;  // batch_norm_scratch(shape) floats
  float *scale, *shift, *mean, *inverse;
};

/// out = scale[c] · x + shift[c] + residual; active = ReLU(out).
struct Normalization {
  MapShape shape;
  const void* x;
  const float* scale;  // or null: 1
  const float* shift;
  const void* residual;  // may be null
  void *out, *active;    // one of them may be null
};

/// The gradients of the above, with g = `gradient` + `other_gradient` where `active` is null or above zero, otherwise
/// 0.
struct BatchNormGradient {
  MapShape shape;
  const void* gradient;
  const void* other_gradient;  // of a second reader of the result; may be null
  const void *active, *x;
  const float *mean, *inverse, *gamma;
  void* masked;    // receives g, the gradient of the residual; may be null
  float* scratch;  // batch_norm_scratch(shape) floats
  float* factors;  // [3, channels]
  float *gamma_gradient, *beta_gradient;
  void* x_gradient;
};

/// See pyramid_loss.h. Grids from fine to coarse, each dividing the previous one; sizes are multiples of `cells`, the
/// finest grid's cells per side, or 1 without grids.
struct Pyramid {
  ValueType type;
  int64_t images, height, width, channels, cells;
  int levels;
  int64_t level_cells[kMostLevels];
  double level_weight[kMostLevels];
  double weight;
  const void *left, *right;
  float* shifts;   // [images, cells · cells, channels]: written forward, read backward
  float* scratch;  // pyramid_scratch floats, forward
  float* loss;     // one value, forward
  const float* loss_gradient;  // one value, backward
  void* left_gradient;         // backward
};

/// See attention_fusion.h. x: [images, rows · down, columns · right, channels]; y: [images, rows, columns, channels];
/// weights: [2, 2 · channels].
struct AttentionMaps {
  ValueType type;
  int64_t images, rows, columns, down, right, channels;
  const void *x, *y;
  const float *weights, *bias;
  float* z;    // [pixels of x, 2]: written forward, read backward
  void* out;   // forward
  // backward
  const void* gradient;
  float* scratch;  // attention_scratch floats
  void *x_gradient, *y_gradient;
  float *weight_gradient, *bias_gradient;
};

/// A parameter to update as in sgd_step.h; all tensors have the same memory order.
struct SgdTensor {
  float* parameter;
  const void* gradient;
  float* momentum_buffer;
  void* bfloat16_copy;  // receives the rounded parameter; may be null
  int64_t count;
  float rate_scale, decay;
  ValueType gradient_type;
};

struct SgdTensors {
  const SgdTensor* tensors;  // on the host
  int64_t count;
  const float* rates;       // on the device
  const int64_t* position;  // on the device: index of the current rate
  const float* finite;      // on the device: nothing changes where it is 0; may be null
  float momentum;
  bool nesterov;
};

/// Mean cross entropy of logits [rows, classes], the number of rows whose greatest logit is the label's, and
/// (softmax - one-hot) / rows.
struct CrossEntropy {
  ValueType type;
  int64_t rows, classes;
  const void* logits;
  const int64_t* labels;
  float* gradient;  // [rows, classes]
  float* scratch;   // cross_entropy_scratch floats
  float *loss, *correct;
};

/// Pairs of boxes [count, 4] by falling score: bit j % 64 of suppresses[i, j / 64] is 1 where box j, below box i, is of
/// the same class and overlaps it by more than `threshold`.
struct BoxSuppression {
  int64_t count;
  const float* boxes;
  const int64_t* classes;
  float threshold;
  uint64_t* suppresses;  // [count, ⌈count / 64⌉]
};

/// See focal_loss.h and FocalLoss in kernels.h. A class of `columns` or more is taken for background.
struct FocalLossSum {
  ValueType type;
  int64_t anchors, columns;
  const void* logits;
  const int64_t* classes;
  float object_weight, background_weight, gamma;
  float* scratch;              // focal_loss_scratch floats, forward
  float* loss;                 // one value, forward
  const float* loss_gradient;  // one value, backward
  void* gradient;              // as logits, backward
};

/// See roi_align.h. A region of another image or level is 0, and adds to no gradient.
struct RoiPooling {
  struct Level {
    const void* map;  // [images, height, width, channels], forward
    void* gradient;   // the same, backward
    int64_t height, width;
    float scale;
  };
  ValueType type;
  int64_t count, images, channels;
  int64_t height, width;  // bins
  int64_t sampling_ratio;
  bool aligned;
  int32_t levels;
  Level level[kMostLevels];
  const float* rois;        // [count, 5]
  const int64_t* level_of;  // [count]
  void* out;                // [count, height, width, channels], forward
  const void* out_gradient;  // the same, backward
};

/// See paste_masks.h.
struct MaskPasting {
  int64_t count, points, height, width;
  bool detectron2;  // its rule; otherwise torchvision's
  const float* grids;  // [count, points, points]
  const float* boxes;  // [count, 4]
  float threshold;
  float* probabilities;  // [count, height, width]; null: binary
  uint8_t* binary;       // the same
};

/// out[i] = values[i] · factor[0], with a type conversion.
struct ScaledCopy {
  ValueType type;
  int64_t count;
  const float *values, *factor;
  void* out;
};

/// sum[0] = Σ weights[i] · terms[i][0].
struct ScalarSum {
  const float* terms[kMostScalars];
  double weights[kMostScalars];
  int32_t count;
  double* sum;
};

/// out[i] = gradient[0] · weights[i].
struct ScalarSumGradient {
  double weights[kMostScalars];
  int32_t count;
  const double* gradient;
  float* out;
};

/// A scalar on the device, float32 or float64.
struct ScalarValue {
  const void* address;
  bool is_double;
};

/// The report of a step, which may consist of micro-batches, each with its share of the batch. With n values:
/// `values` [2 + n] contains the gradients' norm, the number of images classified correctly and the values;
/// `sums` [2 + n] accumulates over all finite steps: images, correct ones, values · images; `first_bad` [3 + n]
/// contains `values` and the number of the first step with a non-finite value. From that step on `finite` is 0.
struct StepReport {
  ScalarValue scalars[kMostScalars];
  int32_t count;
  bool first_part, last_part;
  double share, images;
  const float* correct;
  const double* norm;  // may be null
  double *values, *sums, *first_bad;
  float* finite;
  const double* step;
};

/// The end of a step: increments the batch counters and advances the schedule.
struct StepEnd {
  struct Counter {
    int64_t* value;
    int64_t increment;
  };
  const Counter* counters;  // on the host, each counter once
  int64_t count;
  int64_t* position;
  double* step;
};

/// An image of a set, and the window that is cropped from it: see augmentation.h. top, left: 0 … 2 · padding.
struct ImagePick {
  int32_t index;
  uint8_t top, left, flip, unused;
};

/// images: [set, 3, height, width], bytes with a lookup table [3, 256], otherwise floats -> out: [count, height,
/// width, 3].
struct ImageGathering {
  const void* images;
  const int64_t* labels;  // [set]
  const float* lookup;    // may be null
  const ImagePick* picks;  // on the device
  const int64_t* position;  // on the device: the batch of `count` picks; null: the first
  int64_t count, height, width, padding;
  float* out;
  int64_t* out_labels;  // [count]
};

/// Weights of a 3 × 3 convolution in the order that tensor cores read.
struct TensorConvolutionWeights {
  ValueType type;
  int64_t in_channels, out_channels;
  const void* weights;  // [out_channels, 3, 3, in_channels]
  void* packed;         // bfloat16 [9 · in_channels · out_channels]
};

/// 3 × 3 convolution with padding 1 of bfloat16 maps on tensor cores. Optionally normalizes x first, relu(scale[c] ·
/// x + shift[c]) rounded to bfloat16 and then padded with zeros, and accumulates moments of the rounded output about
/// an origin per channel: Σ (out - origin) and Σ (out - origin)². The origin is known before the output is, for
/// example a running mean; the closer it is to the mean, the less the squares cancel.
struct TensorConvolution {
  int64_t images, height, width, in_channels, out_channels, stride;
  const void* x;                // [images, height, width, in_channels]
  const void* weights;          // as packed by pack_tensor_weights
  const float *scale, *shift;   // [in_channels]; null for unnormalized x
  const float* origin;          // [out_channels]; null without partials
  float* partials;              // [tensor_convolution_parts, 2, out_channels]; null for none
  void* out;                    // [images, ⌈height / stride⌉, ⌈width / stride⌉, out_channels]
};

struct KernelBackend {
  int32_t version;  // kKernelBackendVersion
  /// "CUDA", or "CPU" for the host emulation used in tests.
  const char* device;
  /// The version of libtorch that it was linked with; empty if it does not use libtorch.
  const char* libtorch;
  /// The compilation target, for reports.
  const char* built_for;

  int64_t (*batch_norm_scratch)(const MapShape& shape);
  void (*batch_norm_statistics)(const BatchNormStatistics& call);
  void (*normalize)(const Normalization& call);
  void (*batch_norm_gradient)(const BatchNormGradient& call);
  int64_t (*pyramid_scratch)(const Pyramid& call);
  void (*pyramid_loss)(const Pyramid& call);
  void (*pyramid_gradient)(const Pyramid& call);
  int64_t (*attention_scratch)(const AttentionMaps& call);
  void (*attention)(const AttentionMaps& call);
  void (*attention_gradient)(const AttentionMaps& call);
  void (*sgd)(const SgdTensors& call);
  int64_t (*cross_entropy_scratch)(const CrossEntropy& call);
  void (*cross_entropy)(const CrossEntropy& call);
  void (*scaled_copy)(const ScaledCopy& call);
  void (*scalar_sum)(const ScalarSum& call);
  void (*scalar_sum_gradient)(const ScalarSumGradient& call);
  void (*step_report)(const StepReport& call);
  void (*step_end)(const StepEnd& call);
  void (*gather_images)(const ImageGathering& call);

  void (*suppress_boxes)(const BoxSuppression& call);
  int64_t (*focal_loss_scratch)(const FocalLossSum& call);
  void (*focal_loss)(const FocalLossSum& call);
  void (*focal_loss_gradient)(const FocalLossSum& call);
  void (*pool_rois)(const RoiPooling& call);
  void (*pool_rois_gradient)(const RoiPooling& call);
  void (*paste_masks)(const MaskPasting& call);

  /// Bytes of device memory available to this process, including the allocator's cache.
  int64_t (*free_memory)();

  // Streams and graphs; may be null. A context belongs to one thread at a time.
  /// Creates two streams of the current device that no other context uses.
  void* (*create_context)();
  /// Waits for the work of both streams.
  void (*destroy_context)(void* context);
  /// Directs this thread's work to the first stream, ordered after the work submitted so far to the thread's stream;
  /// until `leave`.
  void (*enter)(void* context);
  void (*leave)(void* context);
  /// Directs work to the second stream, ordered after the work submitted so far to the first, and back without
  /// waiting; `join` makes the first wait for the second.
  void (*begin_side)(void* context);
  void (*end_side)(void* context);
  void (*join)(void* context);
  /// Records the work that `work(argument)` submits to the entered context as a graph, without executing it. One
  /// recording at a time per process; the graphs of a context share their memory. If work throws or cannot be
  /// recorded, the previous state is restored and the exception propagates.
  void* (*record)(void* context, void (*work)(void*), void* argument);
  /// Executes the recorded work on the entered context that recorded it.
  void (*replay)(void* graph);
  /// Waits for pending replays.
  void (*destroy_graph)(void* graph);

  /// The number of partial moments that a convolution produces; 0 if the current device or these channels and this
  /// stride are not supported.
  int64_t (*tensor_convolution_parts)(const TensorConvolution& call);
  void (*pack_tensor_weights)(const TensorConvolutionWeights& call);
  void (*tensor_convolution)(const TensorConvolution& call);

  /// c10d's backend of NCCL for one of several processes, which the caller owns. store: a
  /// c10::intrusive_ptr<c10d::Store>. Null in the host emulation, and if libtorch was built with another version of NCCL
  /// than the plugin.
  void* (*open_nccl)(const void* store, int32_t rank, int32_t size, int64_t timeout_milliseconds);
};

}  // namespace reviewkd::ops
