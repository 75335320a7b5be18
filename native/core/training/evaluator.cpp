#include "core/training/evaluator.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/data/batch_loader.h"
#include "core/error.h"

namespace reviewkd {

void check_classes(const BackboneImpl& network, const Dataset& dataset) {
  if (dataset.num_classes > network.num_classes()) {
    fail(ErrorCode::kShapeMismatch, "expected a network with ", dataset.num_classes, " classes for the data set ", dataset.kind,
         ", got one with ", network.num_classes());
  }
}

Evaluation evaluate(Network& network, std::shared_ptr<const Dataset> dataset, const Split& split,
                    const EvaluationOptions& options, const EvaluationProgress& progress, const std::atomic<bool>& stop) {
  check_classes(*network.module, *dataset);
  BatchLoader loader(std::move(dataset), split, {.batch_size = options.batch_size});
  const int64_t k = std::min<int64_t>(5, network.module->num_classes());
  Evaluation sums;
  torch::NoGradGuard no_grad;
  while (const auto batch = loader.next()) {
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
    if (stop && sums.samples < split.size()) throw Error(ErrorCode::kAborted, "the evaluation was stopped");
  }
  const double count = static_cast<double>(sums.samples);
  return {100 * sums.top1 / count, 100 * sums.top5 / count, sums.loss / count, sums.samples};
}

}  // namespace reviewkd
