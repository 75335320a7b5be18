#pragma once
// The sum of all processes' gradients, and the mean of their statistics, in flat buckets.
// Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training" (VLDB 2020): buckets, and their
// overlap with the backward pass.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/distributed/communicator.h"
#include "core/distributed/concurrent_sums.h"
#include "core/models/state_dict.h"

namespace reviewkd {

struct ExchangeOptions {
  /// Gradients of up to so many bytes take one bucket, after the backward pass: see bench/results/processes.md.
  int64_t one_bucket_bytes = int64_t{4} << 20;
  /// Of more, buckets of about so many bytes are exchanged during the backward pass.
  int64_t bucket_bytes = int64_t{4} << 20;
};

class GradientExchange {
 public:
  /// parameters: those that are trained, in the order of the forward pass; statistics: floating-point buffers, averaged
  /// with the gradients, or none. The communicator outlives this.
  GradientExchange(Communicator& communicator, NamedTensors parameters, std::vector<at::Tensor> statistics,
                   const ExchangeOptions& options = {});
  ~GradientExchange();
  GradientExchange(const GradientExchange&) = delete;
  GradientExchange& operator=(const GradientExchange&) = delete;

  /// The backward pass that comes completes the gradients. active: of how many processes, counted from the first.
  void begin(int64_t active);

  /// Which parameters have a gradient in this process, in their order.
  std::vector<bool> has_gradient() const;

  /// The backward pass has ended: exchanges the buckets that are left.
  void launch_rest();

  /// Replaces the gradients by their sums, added in the order of the processes, and the statistics by their means over
  /// the active processes. has_any: the parameters that have a gradient in any process; the others keep none.
  void end(const std::vector<bool>& has_any);

  size_t buckets() const { return buckets_.size(); }

 private:
  struct Slot {
    size_t parameter;
    int64_t offset;
  };
  struct Bucket {
    at::Tensor flat;  // [n]
    std::vector<Slot> slots;
    /// Of its parameters, those whose gradient it does not hold yet.
    size_t missing = 0;
  };
  class Hook;

  void add_bucket(const std::vector<size_t>& parameters, int64_t statistics);
  void copy_in(Bucket& bucket, const Slot& slot);
  /// The parameter's gradient is complete.
  void received(size_t parameter);
  /// Exchanges all buckets in order whose gradients are complete.
  void launch_complete();
  void launch(size_t bucket);

  Communicator& communicator_;
  NamedTensors parameters_;
  std::vector<at::Tensor> statistics_;
  std::vector<Bucket> buckets_;
  /// Of each parameter, its bucket and slot.
  std::vector<std::pair<size_t, size_t>> places_;
  std::vector<bool> is_received_;
  bool is_begun_ = false;
  size_t launched_ = 0;
  int64_t active_ = 1;
  /// Of buckets that are exchanged during the backward pass; null: there is one, exchanged after it.
  std::unique_ptr<ConcurrentSums> sums_;
};

}  // namespace reviewkd
