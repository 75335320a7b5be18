// Methods on soft targets: the student's softened class distribution follows the teacher's.
//
// kd:  Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network" (2015), section 2.
// dkd: Zhao, Cui, Song, Qiu, Liang: "Decoupled Knowledge Distillation" (CVPR 2022), equation 7.

#include <torch/nn/pimpl.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/distillation/method.h"
#include "core/distillation/methods/registry.h"

namespace reviewkd {
namespace {

struct KdOptions {
  /// T, by which logits are divided.
  double temperature = 4.0;

  static KdOptions from(const Options& options);
};

/// T² · KL(softmax(Y_t / T) ‖ softmax(Y_s / T)), summed over classes, mean over images.
class KdImpl : public MethodImpl {
 public:
  explicit KdImpl(const KdOptions& options) : options_(options) {}
  MethodOutput forward(const MethodInput& input) override;

 private:
  KdOptions options_;
};
TORCH_MODULE(Kd);

struct DkdOptions {
  /// T, by which logits are divided.
  double temperature = 4.0;
  /// Weights of TCKD and NCKD.
  double alpha = 1.0;
  double beta = 8.0;

  static DkdOptions from(const Options& options);
};

/// T² · (α · TCKD + β · NCKD), mean over images. TCKD: divergence of the distributions over the two classes "label" and
/// "rest". NCKD: divergence of the distributions over the classes that are not the label.
class DkdImpl : public MethodImpl {
 public:
  explicit DkdImpl(const DkdOptions& options) : options_(options) {}

  /// Throws INVALID_ARGUMENT without labels, or if the label's class is the only one.
  void check(const BatchSpec& batch) const override;
  MethodOutput forward(const MethodInput& input) override;

 private:
  DkdOptions options_;
};
TORCH_MODULE(Dkd);

at::Tensor softened(const at::Tensor& logits, double temperature) { return at_least_float32(logits) / temperature; }

/// KL(teacher ‖ student) of distributions given by their logarithms [N, K]: summed over K, mean over N.
/// 0 of no rows: a batch of detectors may have no regions.
at::Tensor divergence(const at::Tensor& teacher, const at::Tensor& student) {
  const auto rows = static_cast<double>(std::max<int64_t>(1, student.size(0)));
  return at::kl_div(student, teacher, at::Reduction::Sum, /*log_target=*/true) / rows;
}

/// Log-probabilities used by dkd, for one network.
struct Decoupled {
  at::Tensor target;  // [N, 2]: of the label's class and of all others together
  at::Tensor others;  // [N, C - 1]: of the other classes among themselves
};

Decoupled decoupled(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor label = labels.unsqueeze(1);                                       // [N, 1]
  const at::Tensor classes = at::arange(logits.size(1) - 1, label.options());         // [C - 1]
  const at::Tensor own = logits.gather(1, label);                                     // [N, 1]
  const at::Tensor others = logits.gather(1, classes + classes.ge(label));            // [N, C - 1]: skips the label
  // log p = -log(1 + exp(-d)) and log(1 - p) = -log(1 + exp(d)), with d the log-odds of the label: avoids a 1 - p
  // that could round to 0.
  const at::Tensor odds = own - others.logsumexp(1, /*keepdim=*/true);                // [N, 1]
  return {at::cat({at::log_sigmoid(odds), at::log_sigmoid(-odds)}, 1), at::log_softmax(others, 1)};
}

KdOptions KdOptions::from(const Options& options) {
  KdOptions kd;
  options.read("temperature", kd.temperature);
  return kd;
}

DkdOptions DkdOptions::from(const Options& options) {
  DkdOptions dkd;
  options.read("temperature", dkd.temperature);
  options.read("alpha", dkd.alpha);
  options.read("beta", dkd.beta);
  return dkd;
}

MethodOutput KdImpl::forward(const MethodInput& input) {
  const at::Tensor student = at::log_softmax(softened(input.student.logits, options_.temperature), 1);  // [N, C]
  const at::Tensor teacher = at::log_softmax(softened(input.teacher.logits, options_.temperature), 1);  // [N, C]
  MethodOutput result;
  result.loss = options_.temperature * options_.temperature * divergence(teacher, student).to(at::kDouble);
  return result;
}

void DkdImpl::check(const BatchSpec& batch) const {
  if (!batch.has_labels) {
    fail(ErrorCode::kInvalidArgument,
         "invalid labels: expected one per image for dkd, received none. Pass them with the images: forward(images, { "
         "labels }).");
  }
  if (batch.classes < 2) {
    fail(ErrorCode::kInvalidArgument, "invalid numClasses: expected at least 2 for dkd, received ", batch.classes,
         ". Use kd, or networks with more classes.");
  }
}

MethodOutput DkdImpl::forward(const MethodInput& input) {
  const Decoupled student = decoupled(softened(input.student.logits, options_.temperature), input.labels);
  const Decoupled teacher = decoupled(softened(input.teacher.logits, options_.temperature), input.labels);
  const at::Tensor tckd = divergence(teacher.target, student.target).to(at::kDouble);
  const at::Tensor nckd = divergence(teacher.others, student.others).to(at::kDouble);
  MethodOutput result;
  result.loss = options_.temperature * options_.temperature * (options_.alpha * tckd + options_.beta * nckd);
  return result;
}

}  // namespace

Method build_kd(const std::shared_ptr<const Matching>&, const Options& options) {
  return Kd(KdOptions::from(options)).ptr();
}

Method build_dkd(const std::shared_ptr<const Matching>&, const Options& options) {
  return Dkd(DkdOptions::from(options)).ptr();
}

}  // namespace reviewkd
