#include "core/training/steps/device_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

namespace reviewkd {
namespace {

constexpr int64_t kPosition = 0;
constexpr int64_t kStep = 8;
constexpr int64_t kRates = 16;
/// Rates that there is room for at least, so that epochs of other lengths find the same memory.
constexpr size_t kLeastRates = 4096;

}  // namespace

void DeviceSchedule::begin(const std::vector<double>& rates, int64_t position, int64_t step) {
  const int64_t room = kRates + static_cast<int64_t>(std::max(rates.size(), kLeastRates) * sizeof(float));
  const int64_t bytes = kRates + static_cast<int64_t>(rates.size() * sizeof(float));
  at::Tensor host = at::empty({bytes}, at::kByte);
  if (device_.is_cuda()) host = host.pin_memory();
  char* memory = static_cast<char*>(host.data_ptr());
  const double number = static_cast<double>(step);
  std::memcpy(memory + kPosition, &position, sizeof position);
  std::memcpy(memory + kStep, &number, sizeof number);
  for (size_t i = 0; i < rates.size(); ++i) {
    const float rate = static_cast<float>(rates[i]);
    std::memcpy(memory + kRates + i * sizeof rate, &rate, sizeof rate);
  }
  if (!memory_.defined() || memory_.numel() < room)
    memory_ = at::empty({room}, at::TensorOptions(at::kByte).device(device_));
  memory_.narrow(0, 0, bytes).copy_(host, /*non_blocking=*/true);
}

ops::DeviceRates DeviceSchedule::rates() const {
  const char* memory = static_cast<const char*>(memory_.const_data_ptr());
  return {reinterpret_cast<const float*>(memory + kRates), reinterpret_cast<const int64_t*>(memory + kPosition),
          device_};
}

int64_t* DeviceSchedule::position() const {
  return reinterpret_cast<int64_t*>(static_cast<char*>(memory_.data_ptr()) + kPosition);
}

double* DeviceSchedule::step() const {
  return reinterpret_cast<double*>(static_cast<char*>(memory_.data_ptr()) + kStep);
}

}  // namespace reviewkd
