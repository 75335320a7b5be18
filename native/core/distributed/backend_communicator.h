#pragma once
// A communicator that calls a backend of c10d. Included by few files: c10d's headers are large.

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <atomic>
#include <memory>

#include "core/distributed/communicator.h"

namespace reviewkd {

class BackendCommunicator : public Communicator {
 public:
  /// is_abandoned: ends every wait with ABORTED when it is set, from another thread.
  BackendCommunicator(c10::intrusive_ptr<c10d::Backend> backend, std::shared_ptr<const std::atomic<bool>> is_abandoned);
  ~BackendCommunicator() override;

  int64_t rank() const override { return backend_->getRank(); }
  int64_t size() const override { return backend_->getSize(); }
  void all_gather(at::Tensor into, at::Tensor own) override;
  void all_to_all(at::Tensor into, at::Tensor own) override;
  void broadcast(at::Tensor values, int64_t from) override;

 private:
  void wait_for(const c10::intrusive_ptr<c10d::Work>& work);
  /// Waits until the device has done the last operation, but not for processes that are lost.
  void finish_on_device();

  c10::intrusive_ptr<c10d::Backend> backend_;
  std::shared_ptr<const std::atomic<bool>> is_abandoned_;
  /// An operation continues whose end was not waited for.
  bool is_busy_ = false;
  /// The last operation on a device, which the host does not wait for; null on the CPU.
  c10::intrusive_ptr<c10d::Work> on_device_;
};

}  // namespace reviewkd
