#pragma once
// The other processes of a training, which take the same steps on other images of the same batches.

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/share.h"
#include "core/models/state_dict.h"
#include "core/ops/conv_norm/synced/statistics_exchange.h"
#include "core/training/state/epoch_state.h"

namespace reviewkd {

/// Each process at the end of a step, before a parameter changes.
struct StepNews {
  /// Images of the step; 0 if the batch has fewer images than there are processes.
  int64_t images = 0;
  /// Of these, those that stand for others.
  int64_t replaced = 0;
  /// The sum of the task's training metric over them.
  double metric = 0;
  /// The losses by their share of the step, as Losses::for_each visits them.
  std::vector<double> losses;
  /// Whether the process is asked to stop after this step, or to save a checkpoint.
  bool stops = false;
  bool saves = false;
  /// Whether a loss is not finite.
  bool has_failed = false;
};

/// Every process calls the same functions in the same order. Throw PROCESS_LOST when another one ends or does not answer.
class Peers {
 public:
  virtual ~Peers() = default;
  Peers() = default;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  virtual Share share() const = 0;

  /// A step in which the first `active` processes have images. is_even: whether all of them run the network equally
  /// often, so that they count as many batches.
  virtual void begin_step(int64_t active, bool is_even) = 0;
  /// A batch of the step of which the first `active` processes have images; called by these.
  virtual void begin_batch(int64_t active) = 0;
  /// The exchange by which statistics of batch normalizations are taken over the images that all processes have of the
  /// batch; null if they are those of each process.
  virtual ops::StatisticsExchange* statistics() = 0;
  /// The backward pass that comes completes the gradients: they may be summed up meanwhile.
  virtual void begin_last_backward() = 0;
  /// Sums up the gradients in the order of the processes, averages statistics, and returns the news of all.
  virtual std::vector<StepNews> end_step(const StepNews& own) = 0;
  /// The host waits for what `end_step` left to a device. Call before the host reads anything from the device: a read
  /// would wait for a process that is lost.
  virtual void wait_for_exchange() = 0;

  /// Throws PROCESSES_DIFFER unless the networks and the optimizer are the same in all processes.
  virtual void check_same_state() = 0;

  /// The texts, or bytes, of all processes, of any length.
  virtual std::vector<std::string> gather_texts(const std::string& text) = 0;

  /// "rank 1 (node-2, process 4711)".
  virtual std::string description_of(int64_t rank) const = 0;
};

}  // namespace reviewkd
