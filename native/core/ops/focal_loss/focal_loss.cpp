#include "core/ops/focal_loss/focal_loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/boxes/checks.h"
#include "core/ops/focal_loss/device.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Anchors whose losses are summed at a time: their sums are then added in order, whichever threads made them.
constexpr int64_t kAnchorsOfSum = 256;

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

FocalLoss focal_loss_of(double alpha, double gamma) {
  const auto weight = [&](double value) { return static_cast<float>(alpha < 0 ? 1.0 : value); };
  return {weight(alpha), weight(1 - alpha), static_cast<float>(gamma)};
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(FocalLossSumFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& logits_in, const at::Tensor& classes_in,
                          const FocalLoss& loss) {
    const at::Tensor logits = logits_in.contiguous(), classes = classes_in.contiguous();
    const FocalKernels& kernels = map_kernels(logits.scalar_type())->focal;
    const int64_t anchors = logits.size(0), columns = logits.size(1);
    std::vector<double> sums((anchors + kAnchorsOfSum - 1) / kAnchorsOfSum);
    const char* const values = static_cast<const char*>(logits.const_data_ptr());
    const int64_t* const class_of = classes.const_data_ptr<int64_t>();
    parallel_for_ranges(static_cast<int64_t>(sums.size()), [&](int64_t first, int64_t last, int64_t) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t anchor = i * kAnchorsOfSum;
        sums[i] = kernels.sum(loss, values + anchor * columns * logits.element_size(), class_of + anchor,
                              std::min(kAnchorsOfSum, anchors - anchor), columns);
      }
    });
    double total = 0.0;
    for (const double sum : sums) total += sum;
    context->save_for_backward({logits, classes});
    context->saved_data["weights"] = std::vector<double>{loss.object_weight, loss.background_weight, loss.gamma};
    return at::scalar_tensor(total, at::kDouble).to(at::kFloat);  // infinity where float32 ends, rather than an error
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &logits = saved[0], &classes = saved[1];
    const std::vector<double> weights = context->saved_data["weights"].toDoubleVector();
    const FocalLoss loss{static_cast<float>(weights[0]), static_cast<float>(weights[1]),
                         static_cast<float>(weights[2])};
    const FocalKernels& kernels = map_kernels(logits.scalar_type())->focal;
    const float factor = gradients[0].item<float>();
    const at::Tensor result = at::empty_like(logits);
    const int64_t row_bytes = logits.size(1) * logits.element_size();
    const char* const values = static_cast<const char*>(logits.const_data_ptr());
    char* const out = static_cast<char*>(result.data_ptr());
    parallel_for_ranges(logits.size(0), [&](int64_t first, int64_t last, int64_t) {
      kernels.gradient(loss, values + first * row_bytes, classes.const_data_ptr<int64_t>() + first, last - first,
                       logits.size(1), factor, out + first * row_bytes);
    });
    return {result, at::Tensor(), at::Tensor()};
  }
};

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
  const at::Tensor counted = (classes != kIgnoredAnchor).unsqueeze(1);  // [A, 1]
  return at::where(counted, sigmoid_focal_loss(values, targets, alpha, gamma), 0.0).sum();
}

at::Tensor sigmoid_focal_loss_sum(const at::Tensor& logits, const at::Tensor& classes, double alpha, double gamma) {
  require_classes(logits, classes);
  require_exponents(alpha, gamma);
  const FocalLoss loss = focal_loss_of(alpha, gamma);
  if (auto sum = focal_loss_sum_on_device(logits, classes, loss)) return *sum;
  if (!takes_reference_path() && logits.is_cpu() && map_kernels(logits.scalar_type()) != nullptr)
    return FocalLossSumFunction::apply(logits, classes, loss);
  return sigmoid_focal_loss_sum_reference(logits, classes, alpha, gamma);
}

}  // namespace reviewkd::ops
