#pragma once
// Ordering between streams of a device, for tensors that one stream writes and another reads. Does nothing on the
// CPU.

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>

namespace reviewkd::ops {

class DeviceFence {
 public:
  /// Records a point after all work submitted so far to the calling thread's current stream of the device.
  void record(c10::Device device);
  /// Makes that stream wait for the last recorded point, if it is on the same device.
  void wait(c10::Device device) const;
  /// Makes the calling thread wait for the recorded point.
  void synchronize() const;

 private:
  c10::Device device_ = c10::kCPU;
  std::unique_ptr<c10::Event> event_;
};

/// Keeps a tensor's memory, which another stream allocated, until the work submitted so far to the current stream is
/// done, even if its owner releases it earlier.
void keep_until_done(const at::Tensor& tensor);

}  // namespace reviewkd::ops
