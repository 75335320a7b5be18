#include "core/ops/backend/device_fence.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace reviewkd::ops {
namespace {

c10::Stream current_stream(c10::Device device) { return c10::impl::VirtualGuardImpl(device.type()).getStream(device); }

}  // namespace

void DeviceFence::record(c10::Device device) {
  if (device.is_cpu()) return;
  if (!event_ || device != device_) event_ = std::make_unique<c10::Event>(device.type());
  device_ = device;
  event_->record(current_stream(device));
}

void DeviceFence::wait(c10::Device device) const {
  if (event_ && device == device_) event_->block(current_stream(device));
}

void DeviceFence::synchronize() const {
  if (event_) event_->synchronize();
}

void keep_until_done(const at::Tensor& tensor) {
  if (tensor.defined() && !tensor.is_cpu()) tensor.record_stream(current_stream(tensor.device()));
}

}  // namespace reviewkd::ops
