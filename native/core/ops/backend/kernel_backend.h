#pragma once
// What a plugin for a device gives: kernels for the fused operations, streams and graphs of work. A table of plain functions on plain
// pointers, so that kernels are compiled without libtorch's headers; all memory comes from whoever calls.
//
// Maps lie in channels-last order, [pixels, channels]. Channels are multiples of kKernelBackendChannels, addresses of maps multiples of
// kKernelBackendAlignment. Kernels run on the calling thread's current stream and do not wait; what goes wrong is thrown as std::runtime_error.

#include <cstdint>

namespace reviewkd::ops {

/// Raised whenever something below changes. A plugin of another version is not used.
constexpr int32_t kKernelBackendVersion = 2;
constexpr const char* kKernelBackendSymbol = "reviewkd_kernel_backend";

constexpr int64_t kKernelBackendChannels = 8;
constexpr int64_t kKernelBackendAlignment = 16;
/// Channels are read in groups of 128 bytes; the blocks of a group share a counter, of which there are so many.
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

/// Batch statistics to scale · x + shift = gamma · (x - mean) · inverse + beta, inverse being 1 / sqrt(variance + epsilon); moves the
/// running statistics by `momentum`. All but x and scratch: [channels].
struct BatchNormStatistics {
  MapShape shape;
  const void* x;
  const float *gamma, *beta;
  const float* bias;  // of the convolution in front, which was not added; or none
  double epsilon, momentum;
  float *running_mean, *running_variance;
  float* scratch;  // batch_norm_scratch(shape) floats
  float *scale, *shift, *mean, *inverse;
};

/// out = scale[c] · x + shift[c] + residual; active = ReLU of that.
struct Normalization {
  MapShape shape;
  const void* x;
  const float* scale;  // or none: 1
  const float* shift;
  const void* residual;  // or none
  void *out, *active;    // one of them may be none
};

/// The gradients of what stands above, g being `gradient` + `other_gradient` where `active` is none or above zero, otherwise 0.
struct BatchNormGradient {
  MapShape shape;
  const void* gradient;
  const void* other_gradient;  // of a second reader of the result; or none
  const void *active, *x;
  const float *mean, *inverse, *gamma;
  void* masked;    // takes g, for what was added; or none
  float* scratch;  // batch_norm_scratch(shape) floats
  float* factors;  // [3, channels]
  float *gamma_gradient, *beta_gradient;
  void* x_gradient;
};

/// See pyramid_loss.h. Grids from fine to coarse, each a part of the one before; sizes are multiples of `cells`, the finest grid's, which is
/// 1 where there is none.
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

/// See attention_fusion.h. x: [images, rows · down, columns · right, channels]; y: [images, rows, columns, channels]; weights: [2, 2 · channels].
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

/// A parameter for which sgd_step.h's step is made; all of it in the same memory order.
struct SgdTensor {
  float* parameter;
  const void* gradient;
  float* momentum_buffer;
  void* bfloat16_copy;  // receives the parameter, rounded; or none
  int64_t count;
  float rate_scale, decay;
  ValueType gradient_type;
};

struct SgdTensors {
  const SgdTensor* tensors;  // on the host
  int64_t count;
  const float* rates;       // on the device
  const int64_t* position;  // on the device: which of the rates
  const float* finite;      // on the device: nothing is changed where it is 0; or none
  float momentum;
  bool nesterov;
};

/// Mean cross entropy of logits [rows, classes], the number of rows whose greatest logit is the label's, and (softmax - one-hot) / rows.
struct CrossEntropy {
  ValueType type;
  int64_t rows, classes;
  const void* logits;
  const int64_t* labels;
  float* gradient;  // [rows, classes]
  float* scratch;   // cross_entropy_scratch floats
  float *loss, *correct;
};

/// out[i] = values[i] · factor[0], out of a type.
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

/// The report of a step that may be taken in parts, each with its share of the batch. With n values: `values` [2 + n] is the gradients' norm, the
/// number of images classified correctly and the values; `sums` [2 + n] runs over all finite steps: images, correct ones, values · images;
/// `first_bad` [3 + n] is `values` and the number of the first step in which one of them was not finite. From that step on `finite` is 0.
struct StepReport {
  ScalarValue scalars[kMostScalars];
  int32_t count;
  bool first_part, last_part;
  double share, images;
  const float* correct;
  const double* norm;  // or none
  double *values, *sums, *first_bad;
  float* finite;
  const double* step;
};

/// The end of a step: counters of batches grow, and the schedule moves on.
struct StepEnd {
  struct Counter {
    int64_t* value;
    int64_t increment;
  };
  const Counter* counters;  // on the host, each value once
  int64_t count;
  int64_t* position;
  double* step;
};

/// Which image of a set, and the window that is cut from it: see augmentation.h. top, left: 0 … 2 · padding.
struct ImagePick {
  int32_t index;
  uint8_t top, left, flip, unused;
};

/// images: [set, 3, height, width], of bytes where there is a lookup table [3, 256], otherwise of floats -> out: [count, height, width, 3].
struct ImageGathering {
  const void* images;
  const int64_t* labels;  // [set]
  const float* lookup;    // or none
  const ImagePick* picks;  // on the device
  const int64_t* position;  // on the device: which batch of `count` picks; or none: the first
  int64_t count, height, width, padding;
  float* out;
  int64_t* out_labels;  // [count]
};

/// Weights of a 3 × 3 convolution in the order in which tensor cores read them.
struct TensorConvolutionWeights {
  ValueType type;
  int64_t in_channels, out_channels;
  const void* weights;  // [out_channels, 3, 3, in_channels]
  void* packed;         // bfloat16 [9 · in_channels · out_channels]
};

/// 3 × 3 convolution with padding 1 of bfloat16 maps by tensor cores. Optionally x is normalized on the way, relu(scale[c] · x + shift[c]) rounded to
/// bfloat16 and then padded with zeros, and the moments of the output as rounded are summed up about an origin per channel: Σ (out - origin) and
/// Σ (out - origin)². The origin is known before the output is, such as a running mean; the closer it is to the mean, the less squares cancel.
struct TensorConvolution {
  int64_t images, height, width, in_channels, out_channels, stride;
  const void* x;                // [images, height, width, in_channels]
  const void* weights;          // as packed by pack_tensor_weights
  const float *scale, *shift;   // [in_channels]; null for x as it is
  const float* origin;          // [out_channels]; null without partials
  float* partials;              // [tensor_convolution_parts, 2, out_channels]; null for none
  void* out;                    // [images, ⌈height / stride⌉, ⌈width / stride⌉, out_channels]
};

struct KernelBackend {
  int32_t version;  // kKernelBackendVersion
  /// "CUDA", or "CPU" of the one that stands in for it in tests.
  const char* device;
  /// The libtorch that it was linked with; empty where it needs none.
  const char* libtorch;
  /// What it was compiled for, for reports.
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

  /// Bytes of the device's memory that are free for this process, what its allocator keeps for later included.
  int64_t (*free_memory)();

  // Streams and graphs, or none. A context belongs to one thread at a time.
  /// Two streams of the current device that no other context has.
  void* (*create_context)();
  /// Waits for the work of both streams.
  void (*destroy_context)(void* context);
  /// Work of this thread goes to the first stream from here on, behind the work that the thread's stream has been given so far; until `leave`.
  void (*enter)(void* context);
  void (*leave)(void* context);
  /// To the second stream, behind the work that the first has been given so far, and back without waiting; `join` makes the first wait for the second.
  void (*begin_side)(void* context);
  void (*end_side)(void* context);
  void (*join)(void* context);
  /// A graph of the work that `work(argument)` gives to the entered context, which is not done now. One recording at a time in a process; the
  /// graphs of a context share their memory. If work throws or cannot be recorded, everything is as before, and the exception is passed on.
  void* (*record)(void* context, void (*work)(void*), void* argument);
  /// Does the recorded work, on the entered context that recorded it.
  void (*replay)(void* graph);
  /// Waits for replays that are under way.
  void (*destroy_graph)(void* graph);

  /// Into how many partial moments a convolution sums up; 0 if the current device or these channels and this stride are not supported.
  int64_t (*tensor_convolution_parts)(const TensorConvolution& call);
  void (*pack_tensor_weights)(const TensorConvolutionWeights& call);
  void (*tensor_convolution)(const TensorConvolution& call);
};

}  // namespace reviewkd::ops
