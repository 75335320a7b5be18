#include "core/training/evaluator.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/error.h"

namespace reviewkd {

void check_classes(const BackboneImpl& network, const ImageSet& images) {
  if (images.num_classes > network.num_classes()) {
    fail(ErrorCode::kShapeMismatch, "expected a network with ", images.num_classes, " classes for the data set ", images.kind,
         ", got one with ", network.num_classes());
  }
}

Evaluation evaluate(Network& network, const ImageSet& set, const EvaluationOptions& options,
                    const EvaluationProgress& progress, const std::atomic<bool>& stop) {
  check_classes(*network.module, set);
  const auto source = set.open({.batch_size = options.batch_size});
  const int64_t k = std::min<int64_t>(5, network.module->num_classes());
  Evaluation sums;
  torch::NoGradGuard no_grad;
  while (const auto batch = source->next()) {
    const std::lock_guard lock(network.mutex);
    const auto device = network.device();
    const PrecisionScope scope(options.precision, device);
    network.module->eval();
    const at::Tensor images = as_input(batch->images, network.dtype(), device);
    const at::Tensor labels = batch->labels.to(device);
    const at::Tensor logits = network.module->forward(images).logits.to(at::kDouble);  // [N, classes]
    const at::Tensor best = std::get<1>(logits.topk(k, 1));                            // [N, k]
    const at::Tensor hits = best.eq(labels.unsqueeze(1));                              // [N, k]
    sums.top1 += hits.select(1, 0).sum().item<double>();
    sums.top5 += hits.sum().item<double>();
    sums.loss += at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item<double>();
    sums.samples += labels.size(0);
    if (progress) progress(sums.samples);
    if (stop) break;
  }
  if (stop && sums.samples < set.size) throw Error(ErrorCode::kAborted, "the evaluation was stopped");
  if (sums.samples == 0) fail(ErrorCode::kInvalidArgument, "expected images to evaluate on, got none from the data set ", set.kind);
  const double count = static_cast<double>(sums.samples);
  return {100 * sums.top1 / count, 100 * sums.top5 / count, sums.loss / count, sums.samples};
}

}  // namespace reviewkd
