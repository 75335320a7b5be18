#pragma once
// Processes that train together, as threads that exchange values by c10d's Gloo.

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/distributed/backend_communicator.h"
#include "tests/support/threads.h"

namespace reviewkd::tests {

/// Calls work(communicator) in a thread for each process, whose operations use no more threads. Rethrows the first error
/// in the order of their ranks; the others then end after the timeout of their operations.
inline void over_gloo(int processes, const std::function<void(Communicator&)>& work,
                      std::shared_ptr<std::atomic<bool>> is_abandoned = std::make_shared<std::atomic<bool>>(false)) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::exception_ptr> errors(static_cast<size_t>(processes));
  std::vector<std::thread> threads;
  on_threads(1, [&] {
    for (int rank = 0; rank < processes; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          const auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::seconds(20));
          options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
          BackendCommunicator communicator(c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, processes, options),
                                           [is_abandoned] {
                                             if (*is_abandoned) fail(ErrorCode::kAborted, "stopped");
                                           });
          work(communicator);
        } catch (...) {
          errors[static_cast<size_t>(rank)] = std::current_exception();
        }
      });
    }
    for (auto& thread : threads) thread.join();
  });
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace reviewkd::tests
