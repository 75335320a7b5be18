#pragma once
// Order between streams of a device, for tensors that one stream writes and another reads. Does nothing for the CPU.

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>

namespace reviewkd::ops {

class DeviceFence {
 public:
  /// Behind the work that the calling thread's current stream of the device has been given so far.
  void record(c10::Device device);
  /// Makes that stream wait for what was recorded last, if that was on the same device.
  void wait(c10::Device device) const;
  /// Makes the calling thread wait for it.
  void synchronize() const;

 private:
  c10::Device device_ = c10::kCPU;
  std::unique_ptr<c10::Event> event_;
};

/// Keeps the memory of a tensor that another stream made until the work that the current one has been given so far is done, though its owner may release it before.
void keep_until_done(const at::Tensor& tensor);

}  // namespace reviewkd::ops
