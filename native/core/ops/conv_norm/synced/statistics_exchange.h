#pragma once
// Batch statistics over several processes, each of which trains on a slice of the same batch, so that a normalization
// computes the values and gradients of one process with the whole batch.
// Peng et al.: "MegDet: A Large Mini-Batch Object Detector" (CVPR 2018), section 3.3.

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

namespace reviewkd::ops {

/// The connection of a process to those that it trains with. All of them call it equally often and in the same order,
/// one call at a time: once for each normalization in the forward pass, and once in the backward pass, which may run on
/// another thread.
class StatisticsExchange {
 public:
  StatisticsExchange() = default;
  virtual ~StatisticsExchange() = default;
  StatisticsExchange(const StatisticsExchange&) = delete;
  StatisticsExchange& operator=(const StatisticsExchange&) = delete;

  /// values: [K], float64 on the CPU, of this process -> [processes, K], those of all processes in the order of their
  /// ranks. The row of a process without images is zero or absent.
  virtual at::Tensor gather(const at::Tensor& values) = 0;
};

/// While alive, batch normalizations of this thread that compute the statistics of their batch compute those of the
/// batches of all processes; no effect if null. The exchange must outlive the backward passes as well, which use it
/// wherever they run.
///
/// The gradients of a normalization's weight and bias remain those of this process's images, as the gradients of all
/// other parameters are: the sum over the processes is the gradient of the sum of their losses.
class StatisticsScope {
 public:
  explicit StatisticsScope(StatisticsExchange* exchange);
  ~StatisticsScope();
  StatisticsScope(const StatisticsScope&) = delete;
  StatisticsScope& operator=(const StatisticsScope&) = delete;

 private:
  StatisticsExchange* outer_;
};

/// Null outside of a StatisticsScope.
StatisticsExchange* statistics_exchange();

/// The values of all processes, a contiguous row each. Throws INTERNAL for an exchange that returns anything else.
at::Tensor rows_of_processes(const std::vector<double>& values, StatisticsExchange& exchange);

/// Sums over the processes, in the order of their ranks; the values themselves without an exchange.
std::vector<double> sum_of_processes(const std::vector<double>& values, StatisticsExchange* exchange);

/// The batch that a normalization computed its statistics of, for its backward pass.
struct NormalizedBatch {
  int64_t count;  // values per channel
  StatisticsExchange* exchange = nullptr;  // if the values are those of several processes

  void save(torch::autograd::AutogradContext* context) const;
  static NormalizedBatch restored(torch::autograd::AutogradContext* context);
};

}  // namespace reviewkd::ops
