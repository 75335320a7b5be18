#include "core/ops/focal_loss/focal_loss.h"

#include <ATen/ATen.h>

#include <limits>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/boxes/checks.h"

namespace reviewkd::ops {
namespace {

constexpr double kMostGamma = 100;

void require_exponents(double alpha, double gamma) {
  require_within(alpha, std::numeric_limits<double>::lowest(), 1, "alpha");
  require_within(gamma, 0, kMostGamma, "gamma");
}

void require_classes(const at::Tensor& logits, const at::Tensor& classes) {
  if (logits.dim() != 2) {
    fail(ErrorCode::kShapeMismatch, "invalid logits: expected shape [anchors, classes], received ", logits.sizes(),
         ". Flatten images and positions into the first dimension.");
  }
  require_floating(logits, "logits");
  require_int64(classes, "classes");
  require_sizes(classes, {logits.size(0)}, "classes", "Pass one class for each anchor.");
  // Reading the extremes of a device's tensor back would stop its work in every step.
  if (!classes.is_cpu() || classes.numel() == 0) return;
  const auto [least, greatest] = at::aminmax(classes);
  if (least.item<int64_t>() < kIgnoredAnchor || greatest.item<int64_t>() >= logits.size(1)) {
    fail(ErrorCode::kLabelOutOfRange, "invalid classes: expected ", kIgnoredAnchor, " to ", logits.size(1) - 1,
         ", received ", least.item<int64_t>(), " to ", greatest.item<int64_t>(),
         ". Number the classes from 0; -1 is background, -2 an anchor that does not count.");
  }
}

}  // namespace

at::Tensor sigmoid_focal_loss(const at::Tensor& logits, const at::Tensor& targets, double alpha, double gamma) {
  require_floating(logits, "logits");
  require_alike(logits, targets, "logits", "targets");
  require_sizes(targets, logits.sizes(), "targets", "Pass one target for each logit.");
  require_exponents(alpha, gamma);
  const double least = logits.scalar_type() == at::kDouble ? std::numeric_limits<double>::min()
                                                           : static_cast<double>(std::numeric_limits<float>::min());
  const at::Tensor others = 1 - targets;
  // The probability of the wrong answer, from the side where it has digits. At 0 its root has an infinite slope.
  const at::Tensor missed = (at::sigmoid(logits) * others + at::sigmoid(-logits) * targets).clamp_min(least);
  const at::Tensor cross_entropy = at::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::None);
  const at::Tensor loss = cross_entropy * at::pow(missed, gamma);
  return alpha < 0 ? loss : (alpha * targets + (1 - alpha) * others) * loss;
}

at::Tensor sigmoid_focal_loss_sum_reference(const at::Tensor& logits, const at::Tensor& classes, double alpha,
                                            double gamma) {
  const at::Tensor values = at_least_float32(logits);
  const at::Tensor numbers = at::arange(values.size(1), classes.options());
  const at::Tensor targets = (classes.unsqueeze(1) == numbers).to(values.scalar_type());  // [A, C]
  const at::Tensor counted = (classes != kIgnoredAnchor).unsqueeze(1);                    // [A, 1]
  return at::where(counted, sigmoid_focal_loss(values, targets, alpha, gamma), 0.0).sum();
}

at::Tensor sigmoid_focal_loss_sum(const at::Tensor& logits, const at::Tensor& classes, double alpha, double gamma) {
  require_classes(logits, classes);
  require_exponents(alpha, gamma);
  return sigmoid_focal_loss_sum_reference(logits, classes, alpha, gamma);
}

}  // namespace reviewkd::ops
