#pragma once
// A communicator that calls a backend of c10d. Included by few files: c10d's headers are large.

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <c10/util/Exception.h>

#include <functional>
#include <new>

#include "core/base/error.h"
#include "core/distributed/communicator.h"

namespace reviewkd {

/// Runs an operation of c10d. Throws CommunicationError if it fails because of other processes; a lack of memory and
/// other errors of this process keep their type.
template <typename Work>
auto communicate(const Work& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::DistError& error) {
    throw CommunicationError(error.what_without_backtrace());
  } catch (const c10::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw CommunicationError(error.what());  // Gloo's errors have no class in common
  }
}

class BackendCommunicator : public Communicator {
 public:
  /// look: called while the host waits; may throw to end the wait.
  BackendCommunicator(c10::intrusive_ptr<c10d::Backend> backend, std::function<void()> look);
  ~BackendCommunicator() override;

  int64_t rank() const override { return backend_->getRank(); }
  int64_t size() const override { return backend_->getSize(); }
  void all_gather(at::Tensor into, at::Tensor own) override;
  void all_to_all(at::Tensor into, at::Tensor own) override;
  void broadcast(at::Tensor values, int64_t from) override;
  void finish() override;

 private:
  /// Starts an operation and waits for its end.
  void run(const std::function<c10::intrusive_ptr<c10d::Work>()>& start);
  void wait_for(const c10::intrusive_ptr<c10d::Work>& work);
  /// Waits until the device has done the last operation, but not for processes that are lost.
  void finish_on_device();

  c10::intrusive_ptr<c10d::Backend> backend_;
  std::function<void()> look_;
  /// An operation continues whose end was not waited for.
  bool is_busy_ = false;
  /// The last operation on a device, which the host does not wait for; null on the CPU.
  c10::intrusive_ptr<c10d::Work> on_device_;
};

}  // namespace reviewkd
