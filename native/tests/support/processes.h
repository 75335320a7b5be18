#pragma once
// Processes that train together, as threads of a test.

#include <ATen/ATen.h>

#include <barrier>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "core/ops/conv_norm/synced/statistics_exchange.h"
#include "tests/support/threads.h"

namespace reviewkd::tests {

/// The memory through which threads exchange their values.
class SharedRows {
 public:
  explicit SharedRows(size_t processes) : rows_(processes), barrier_(static_cast<std::ptrdiff_t>(processes)) {}

  at::Tensor gather(size_t rank, const at::Tensor& values) {
    rows_[rank] = values.clone();
    barrier_.arrive_and_wait();
    at::Tensor all = at::stack(rows_);
    barrier_.arrive_and_wait();  // before the next values replace these
    return all;
  }

  /// The others do not wait for this process any more.
  void leave() { barrier_.arrive_and_drop(); }

 private:
  std::vector<at::Tensor> rows_;
  std::barrier<> barrier_;
};

class ThreadExchange : public ops::StatisticsExchange {
 public:
  ThreadExchange(SharedRows& shared, size_t rank) : shared_(shared), rank_(rank) {}

  at::Tensor gather(const at::Tensor& values) override {
    ++calls;
    return shared_.gather(rank_, values);
  }

  int calls = 0;

 private:
  SharedRows& shared_;
  size_t rank_;
};

/// Calls work(rank, exchange) in a thread for each process, whose operations use no more threads. Rethrows the first error
/// in the order of their ranks.
inline void in_processes(size_t processes, const std::function<void(size_t, ThreadExchange&)>& work) {
  SharedRows shared(processes);
  std::vector<std::exception_ptr> errors(processes);
  std::vector<std::thread> threads;
  on_threads(1, [&] {
    for (size_t rank = 0; rank < processes; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          ThreadExchange exchange(shared, rank);
          work(rank, exchange);
        } catch (...) {
          errors[rank] = std::current_exception();
          shared.leave();
        }
      });
    }
    for (auto& thread : threads) thread.join();
  });
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

/// The parts of a batch [N, …] with these numbers of images, one for each process.
inline std::vector<at::Tensor> slices_of(const at::Tensor& batch, const std::vector<int64_t>& images) {
  return batch.split_with_sizes(images);
}

}  // namespace reviewkd::tests
