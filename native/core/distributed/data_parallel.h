#pragma once
// A training in several processes, each with a part of every batch: the networks are the same in all of them after
// each step.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/distributed/gradient_exchange.h"
#include "core/distributed/process_group.h"
#include "core/training/session.h"

namespace reviewkd {

class DataParallel : public Peers {
 public:
  /// Connects the processes for this session, which outlives this. name: the same in all of them, used once.
  DataParallel(std::shared_ptr<ProcessGroup> group, Session& session, const std::string& name);
  ~DataParallel() override;

  Share share() const override { return {group_->rank(), group_->size()}; }
  void begin_step(int64_t active, bool is_even) override;
  void begin_batch(int64_t active) override { batch_active_ = active; }
  ops::StatisticsExchange* statistics() override;
  void begin_last_backward() override;
  std::vector<StepNews> end_step(const StepNews& own) override;
  void wait_for_exchange() override;
  std::vector<std::string> gather_texts(const std::string& text) override;
  std::string description_of(int64_t rank) const override;

  /// Gives all processes the state of the first one: its networks, optimizer and position. Throws PROCESSES_DIFFER if
  /// their frozen teachers are not the same.
  void share_state();
  /// Throws PROCESSES_DIFFER unless the state of all processes has the same checksum.
  void check_same_state() override;

 private:
  /// Gathers the statistics of a normalization of the processes that have images.
  class Statistics : public ops::StatisticsExchange {
   public:
    Statistics(ProcessGroup& group, std::unique_ptr<Communicator> communicator)
        : group_(group), communicator_(std::move(communicator)) {}
    at::Tensor gather(const at::Tensor& values) override;

   private:
    ProcessGroup& group_;
    std::unique_ptr<Communicator> communicator_;
  };

  /// Of batch normalizations that are not frozen: statistics, which are averaged, and counters of batches.
  struct Buffers {
    std::vector<at::Tensor> statistics, counters;
  };
  Buffers buffers() const;
  /// Throws PROCESSES_DIFFER unless gradients are exchanged in the same way in all processes.
  void check_same_way(c10::DeviceType device, const ExchangeOptions& options);
  /// Throws PROCESSES_DIFFER unless all processes have taken as many steps, at the same learning rate.
  void check_same_position();
  /// Throws PROCESSES_DIFFER unless the frozen teacher is the same in all processes.
  void check_same_teacher();
  /// The first process whose tensors are not those of rank 0.
  std::optional<int64_t> rank_with_other(const NamedTensors& state);
  void broadcast(const at::Tensor& values);

  std::shared_ptr<ProcessGroup> group_;
  Session& session_;
  std::string name_;
  /// On the CPU; for the gradients another one, on the device of the networks.
  std::unique_ptr<Communicator> host_, device_;
  std::unique_ptr<GradientExchange> gradients_;
  /// By the number of processes that have images.
  std::map<int64_t, std::unique_ptr<Statistics>> statistics_;
  int64_t active_ = 1;
  int64_t batch_active_ = 1;
  bool is_even_ = true;
};

}  // namespace reviewkd
