#include "core/training/steps/device_report.h"

#include <ATen/ATen.h>

#include "core/ops/backend/kernel_backends.h"

namespace reviewkd {
namespace {

/// Entries in front of a step's losses in values_ and sums_, and behind them in first_nonfinite_.
constexpr int64_t kExtra = 2;

/// A scalar that a kernel reads, float32 or float64.
at::Tensor readable(const at::Tensor& scalar) {
  const at::Tensor values = scalar.detach();
  return values.scalar_type() == at::kFloat || values.scalar_type() == at::kDouble ? values.contiguous()
                                                                                   : values.to(at::kDouble);
}

}  // namespace

DeviceReport::DeviceReport(c10::Device device)
    : device_(device), finite_(at::ones({}, at::TensorOptions(at::kFloat).device(device))) {}

at::Tensor DeviceReport::numbers(int64_t count) const {
  return at::zeros({count}, at::TensorOptions(at::kDouble).device(device_));
}

void DeviceReport::require_memory(int64_t losses) {
  if (values_.defined()) return;
  values_ = numbers(losses + kExtra);
  first_nonfinite_ = numbers(losses + kExtra + 1);
  sums_ = numbers(losses + kExtra);
  if (!first_sums_.empty()) sums_.copy_(at::tensor(first_sums_, at::kDouble));
}

void DeviceReport::begin(int64_t images, double metric, const std::vector<double>& losses) {
  finite_.fill_(1.0);
  first_sums_.clear();
  if (!losses.empty()) {
    first_sums_ = {static_cast<double>(images), metric};
    first_sums_.insert(first_sums_.end(), losses.begin(), losses.end());
  }
  if (!sums_.defined()) return;
  if (first_sums_.empty()) sums_.zero_();
  else sums_.copy_(at::tensor(first_sums_, at::kDouble));
}

void DeviceReport::add(const ForwardResult& result, const StepPart& part, const at::Tensor& metric_sum,
                       const at::Tensor& norm, const double* step) {
  std::vector<at::Tensor> scalars;  // which live until the kernel has its work
  for (const auto& scalar : result.scalars()) scalars.push_back(readable(scalar));
  require_memory(static_cast<int64_t>(scalars.size()));
  const at::Tensor metric = metric_sum.contiguous();
  ops::StepReport call{};
  TORCH_CHECK(scalars.size() <= ops::kMostScalars, "invalid losses: expected at most ", ops::kMostScalars,
              " in a step, received ", scalars.size());
  for (size_t i = 0; i < scalars.size(); ++i)
    call.scalars[i] = {scalars[i].const_data_ptr(), scalars[i].scalar_type() == at::kDouble};
  call.count = static_cast<int32_t>(scalars.size());
  call.first_part = part.is_first;
  call.last_part = part.is_last;
  call.share = static_cast<double>(part.length) / static_cast<double>(part.images);
  call.images = static_cast<double>(part.images);
  call.correct = metric.const_data_ptr<float>();
  call.norm = norm.defined() ? norm.const_data_ptr<double>() : nullptr;
  call.values = values_.data_ptr<double>();
  call.sums = sums_.data_ptr<double>();
  call.first_bad = first_nonfinite_.data_ptr<double>();
  call.finite = finite_.data_ptr<float>();
  call.step = step;
  ops::kernel_backend_of(device_.type())->step_report(call);
}

DeviceReport::Values DeviceReport::read() const {
  Values report;
  if (!values_.defined()) return report;
  // One copy for all.
  const at::Tensor all = at::cat({values_, sums_, first_nonfinite_, finite_.to(at::kDouble).reshape({1})}).cpu();
  const int64_t length = values_.size(0);
  const double* value = all.const_data_ptr<double>();
  report.gradient_norm = value[0];
  report.losses.assign(value + kExtra, value + length);
  const double* sum = value + length;
  report.images = static_cast<int64_t>(sum[0]);
  report.metric = sum[1];
  report.sums.assign(sum + kExtra, sum + length);
  const double* nonfinite = sum + length;
  if (nonfinite[length + 1] == 0) {
    report.nonfinite_norm = nonfinite[0];
    report.nonfinite_losses.assign(nonfinite + kExtra, nonfinite + length);
    report.first_nonfinite_step = static_cast<int64_t>(nonfinite[length]);
  }
  return report;
}

}  // namespace reviewkd
