#include "core/training/evaluator.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/error.h"
#include "core/models/inference.h"
#include "core/ops/dispatch.h"

namespace reviewkd {

namespace {

void count_classes(const at::Tensor& labels, const at::Tensor& hits, std::vector<ClassScore>& scores) {
  const at::Tensor classes = labels.cpu();
  const at::Tensor right = hits.cpu();
  const int64_t* label = classes.const_data_ptr<int64_t>();
  const bool* hit = right.const_data_ptr<bool>();
  for (int64_t i = 0; i < classes.size(0); ++i) {
    auto& score = scores.at(label[i]);
    ++score.samples;
    score.correct += hit[i] ? 1 : 0;
  }
}

}  // namespace

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
  sums.per_class.resize(network.module->num_classes());
  torch::NoGradGuard no_grad;
  while (const auto batch = source->next()) {
    const std::lock_guard lock(network.mutex);
    const auto device = network.device();
    const ops::ReferenceScope path(options.reference);
    const PrecisionScope scope(options.precision, device);
    network.module->eval();
    const at::Tensor images = as_input(batch->images, network.dtype(), device);
    const at::Tensor labels = batch->labels.to(device);
    const at::Tensor logits = infer(*network.module, images).logits.to(at::kDouble);  // [N, classes]
    const at::Tensor best = std::get<1>(logits.topk(k, 1));                            // [N, k]
    const at::Tensor hits = best.eq(labels.unsqueeze(1));                              // [N, k]
    count_classes(labels, hits.select(1, 0).contiguous(), sums.per_class);
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
  return {100 * sums.top1 / count, 100 * sums.top5 / count, sums.loss / count, sums.samples, std::move(sums.per_class)};
}

}  // namespace reviewkd
