#pragma once
// The losses of steps on a device, and their sums over an epoch, in memory that stays: a kernel writes them, and the
// host reads them when it wants to.
// The first step with a loss or a norm that is not finite is noted; from then on `finite` is 0, and the optimizer's
// kernels change nothing.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/training/state/forward_result.h"

namespace reviewkd {

/// A part of a step's images.
struct StepPart {
  bool is_first = true;
  bool is_last = true;
  int64_t length = 0;
  /// Of the whole step.
  int64_t images = 0;
};

class DeviceReport {
 public:
  struct Values {
    /// Of the last step, as ForwardResult::loss_vector has them.
    std::vector<double> losses;
    double gradient_norm = 0;
    /// Since `begin`, over the steps that were finite: losses · images.
    int64_t images = 0;
    double metric = 0;
    std::vector<double> sums;
    /// The number of the first step that was not finite, with its losses and the norm of its gradients.
    std::optional<int64_t> first_nonfinite_step;
    std::vector<double> nonfinite_losses;
    double nonfinite_norm = 0;
  };

  explicit DeviceReport(c10::Device device);

  /// Sums are added to these; losses: empty for 0.
  void begin(int64_t images, double metric, const std::vector<double>& losses);

  /// Adds a part's losses. norm: of the step's gradients, with the last part; undefined if nothing is clipped. step:
  /// the number of the step, on the device.
  void add(const ForwardResult& result, const StepPart& part, const at::Tensor& metric_sum, const at::Tensor& norm,
           const double* step);

  /// Waits for the device.
  Values read() const;

  /// A float32 scalar on the device: 0 once a step was not finite.
  const at::Tensor& finite() const { return finite_; }

 private:
  void require_memory(int64_t losses);
  at::Tensor numbers(int64_t count) const;

  c10::Device device_;
  // At addresses that stay, for graphs read and write them; see StepReport of the kernels.
  at::Tensor finite_;                            // float32
  at::Tensor values_, first_nonfinite_, sums_;   // float64: [n + 2], [n + 3] and [n + 2]
  std::vector<double> first_sums_;
};

}  // namespace reviewkd
