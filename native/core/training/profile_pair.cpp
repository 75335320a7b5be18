#include "core/training/profile_pair.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/models/init.h"
#include "core/models/multiply_adds.h"
#include "core/ops/backend/allocator.h"
#include "core/ops/backend/dispatch.h"
#include "core/tasks/classification/classification.h"
#include "core/training/session.h"

namespace reviewkd {
namespace {

/// The batch sizes that are run.
constexpr int64_t kSmallBatch = 2;
constexpr int64_t kLargerBatch = 4;

int64_t bytes_of(const NamedTensors& tensors) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

int64_t parameter_bytes(const torch::nn::Module& module) {
  int64_t bytes = 0;
  for (const auto& parameter : module.parameters()) bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

/// A step at `batch_size`, of which each event is linear in the batch size.
std::vector<int64_t> extrapolated(const std::vector<int64_t>& small, const std::vector<int64_t>& larger,
                                  int64_t batch_size) {
  if (small.size() != larger.size()) {
    fail(ErrorCode::kInternal, "invalid profile: expected the same number of allocations for ", kSmallBatch, " and ",
         kLargerBatch, " images, received ", small.size(), " and ", larger.size(), ".");
  }
  std::vector<int64_t> events(small.size());
  for (size_t i = 0; i < events.size(); ++i) {
    events[i] = small[i] + (larger[i] - small[i]) * (batch_size - kSmallBatch) / (kLargerBatch - kSmallBatch);
  }
  return events;
}

/// The highest sum of the first events.
int64_t peak_of(const std::vector<int64_t>& events) {
  int64_t bytes = 0;
  int64_t peak = 0;
  for (const int64_t event : events) peak = std::max(peak, bytes += event);
  return peak;
}

/// One thread computes while it lives: with several, operations split large batches up and small ones not, and allocate
/// accordingly.
class SingleThread {
 public:
  SingleThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~SingleThread() { at::set_num_threads(before_); }
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int before_;
};

void count_arithmetic(Distiller& distiller, const at::Tensor& image, PairCost& cost) {
  const NetworkLock lock(distiller.student(), &distiller.teacher());
  const torch::NoGradGuard no_grad;
  distiller.teacher().module->eval();
  distiller.student().module->eval();
  distiller.modules().eval();
  BackboneOutput teacher;
  BackboneOutput student;
  const at::Tensor label = at::zeros({1}, at::kLong);
  cost.teacher_multiply_adds = count_multiply_adds([&] { teacher = distiller.teacher().module->forward(image); });
  cost.student_multiply_adds = count_multiply_adds([&] { student = distiller.student().module->forward(image); });
  cost.training_only_multiply_adds = count_multiply_adds([&] {
    for (const auto& term : distiller.terms()) term.method->forward({student, teacher, label});
  });
}

}  // namespace

PairCost profile_pair(const std::shared_ptr<Distiller>& distiller, ImageSize image, int64_t batch_size,
                      const std::atomic<bool>& stop) {
  // PyTorch's own operations: their products are counted, and the number of their allocations does not depend on the
  // batch.
  const ops::ReferenceScope path(true);
  Network& student = distiller->student();
  const at::Tensor noise = at::empty({kLargerBatch, 3, image.height, image.width}, at::dtype(student.dtype()));
  init::normal(noise, 1.0, init::generator(0));
  const at::Tensor labels = at::zeros({kLargerBatch}, at::kLong);

  PairCost cost;
  count_arithmetic(*distiller, noise.narrow(0, 0, 1), cost);
  cost.state_bytes = bytes_of(distiller_state(*distiller)) + bytes_of(state_dict(*distiller->teacher().module));
  cost.momentum_bytes = parameter_bytes(*student.module) + parameter_bytes(distiller->modules());

  const SingleThread single_thread;
  AllocationRecorder recorder;
  // A rate of 0 leaves the parameters as they are.
  SessionOptions options;
  options.optimizer.learning_rate = 0;
  options.optimizer.momentum = 0.9;
  options.optimizer.nesterov = true;
  options.optimizer.weight_decay = 5e-4;
  Session session(distiller, std::make_shared<Classification>(), options);
  const auto step = [&](int64_t images) {
    recorder.take();
    {
      const at::Tensor batch = noise.narrow(0, 0, images).clone();
      session.step({{batch, Targets::labels(labels.narrow(0, 0, images).clone())}});
    }
    if (stop) fail(ErrorCode::kAborted, "the measurement was stopped");
    return recorder.take();
  };
  step(kSmallBatch);  // leaves the gradients that every later step finds
  const auto small = step(kSmallBatch);
  const auto larger = step(kLargerBatch);
  const auto events = extrapolated(small, larger, batch_size);
  // The events begin with the momentum buffers and the last step's gradients in place.
  const int64_t trained_bytes = cost.momentum_bytes;
  cost.step_bytes = trained_bytes + peak_of(events);
  cost.mapped_bytes = cost.state_bytes + 2 * trained_bytes + most_mapped(events);
  return cost;
}

}  // namespace reviewkd
