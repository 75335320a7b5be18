#include "core/ops/conv_norm/synced/statistics_exchange.h"

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include "core/base/error.h"

namespace reviewkd::ops {
namespace {

thread_local StatisticsExchange* current_exchange = nullptr;

/// Lets an autograd context hold a batch.
struct BatchHolder : torch::CustomClassHolder {
  explicit BatchHolder(const NormalizedBatch& batch) : batch(batch) {}
  const NormalizedBatch batch;
};

}  // namespace

StatisticsScope::StatisticsScope(StatisticsExchange* exchange) : outer_(current_exchange) {
  if (exchange != nullptr) current_exchange = exchange;
}

StatisticsScope::~StatisticsScope() { current_exchange = outer_; }

StatisticsExchange* statistics_exchange() { return current_exchange; }

at::Tensor rows_of_processes(const std::vector<double>& values, StatisticsExchange& exchange) {
  const auto length = static_cast<int64_t>(values.size());
  const at::Tensor rows = exchange.gather(at::tensor(values, at::kDouble));
  if (rows.dim() != 2 || rows.size(1) != length || rows.scalar_type() != at::kDouble || !rows.is_cpu())
    fail(ErrorCode::kInternal, "invalid statistics of several processes: expected [processes, ", length,
         "] of float64 on the CPU, received ", rows.sizes(), " of ", rows.scalar_type(), " on ", rows.device(), ".");
  return rows.contiguous();
}

std::vector<double> sum_of_processes(const std::vector<double>& values, StatisticsExchange* exchange) {
  if (exchange == nullptr) return values;
  const at::Tensor rows = rows_of_processes(values, *exchange);
  std::vector<double> sums(values.size(), 0.0);
  for (int64_t process = 0; process < rows.size(0); ++process) {
    const double* row = rows.const_data_ptr<double>() + process * rows.size(1);
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += row[k];
  }
  return sums;
}

void NormalizedBatch::save(torch::autograd::AutogradContext* context) const {
  context->saved_data["batch"] = at::IValue::make_capsule(c10::make_intrusive<BatchHolder>(*this));
}

NormalizedBatch NormalizedBatch::restored(torch::autograd::AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<BatchHolder>(context->saved_data["batch"].toCapsule())->batch;
}

}  // namespace reviewkd::ops
