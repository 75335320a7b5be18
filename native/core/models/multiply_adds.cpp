#include "core/models/multiply_adds.h"

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <memory>
#include <string_view>
#include <utility>

namespace reviewkd {
namespace {

/// The running total of `count_multiply_adds` on this thread.
thread_local int64_t counted_multiply_adds = 0;

/// State of an operation between its begin, when its inputs are available, and its end, when its result is.
struct Products : at::ObserverContext {
  explicit Products(int64_t per_element) : per_element(per_element) {}
  /// Number of products summed per element of the result.
  int64_t per_element;
};

/// The operations that every convolution and every linear layer dispatches to.
std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  const auto input = [&](size_t index) -> const at::Tensor& { return function.inputs()[index].toTensor(); };
  if (name == "aten::convolution") {  // (input, weight, …); a row of the weight produces one output channel
    const at::Tensor& weight = input(1);
    return std::make_unique<Products>(weight.numel() / weight.size(0));
  }
  if (name == "aten::addmm") return std::make_unique<Products>(input(1).size(1));  // (bias, rows, columns, …)
  if (name == "aten::mm") return std::make_unique<Products>(input(0).size(1));     // (rows, columns)
  if (name == "aten::baddbmm") return std::make_unique<Products>(input(1).size(2));  // the same of several products
  return nullptr;
}

void end(const at::RecordFunction& function, at::ObserverContext* context) {
  // An operation that throws has no result.
  if (context == nullptr || function.outputs().empty() || !function.outputs()[0].isTensor()) return;
  counted_multiply_adds += function.outputs()[0].toTensor().numel() * static_cast<Products*>(context)->per_element;
}

/// Observes this thread's operations while alive.
class OperationObserver {
 public:
  OperationObserver()
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(&begin, &end)
                                               .needsInputs(true)
                                               .needsOutputs(true)
                                               .scopes({at::RecordScope::FUNCTION}))) {}
  ~OperationObserver() { at::removeCallback(handle_); }
  OperationObserver(const OperationObserver&) = delete;
  OperationObserver& operator=(const OperationObserver&) = delete;

 private:
  at::CallbackHandle handle_;
};

}  // namespace

int64_t count_multiply_adds(const std::function<void()>& pass) {
  const int64_t outer = std::exchange(counted_multiply_adds, 0);
  {
    const OperationObserver observer;
    pass();
  }
  return std::exchange(counted_multiply_adds, outer);
}

}  // namespace reviewkd
