#pragma once
// Collective operations of the processes of a training, by libtorch's c10d: Gloo on the CPU, NCCL on CUDA.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace reviewkd {

/// An operation failed because of other processes, or of the way to them. The message is that of c10d or Gloo.
class CommunicationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The processes of a group, each of which calls the same operations in the same order. An operation that another
/// process does not take part in throws CommunicationError: at once if that process has ended, otherwise after the
/// timeout. One caller at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int64_t rank() const = 0;
  virtual int64_t size() const = 0;

  /// into: [size · n], those of all processes in the order of their ranks; own: [n]. Both contiguous.
  virtual void all_gather(at::Tensor into, at::Tensor own) = 0;

  /// The r-th of `size` equal parts of `own` goes to process r, the r-th of `into` comes from it. Both contiguous, [n].
  virtual void all_to_all(at::Tensor into, at::Tensor own) = 0;

  /// The values of process `from` for all; contiguous.
  virtual void broadcast(at::Tensor values, int64_t from) = 0;

  /// The host waits for operations that run on a device. Throws as they do.
  virtual void finish() {}
};

/// values: [n] -> [size, n], those of all processes in the order of their ranks.
at::Tensor gathered(Communicator& communicator, const at::Tensor& values);

/// The texts, or bytes, of all processes, of another length in each.
std::vector<std::string> gathered_texts(Communicator& communicator, const std::string& text);

/// Replaces `values` by the sum of those of the first `active` processes, added in the order of their ranks, whatever
/// their number: a process that adds the same values one after the other gets the same bits. Each process adds a part:
/// what is sent and received is that of a ring all-reduce. values: [n], contiguous, n a multiple of `size`.
void sum_in_order(Communicator& communicator, const at::Tensor& values, int64_t active);

/// The one process of a group of one.
std::unique_ptr<Communicator> solo_communicator();

}  // namespace reviewkd
