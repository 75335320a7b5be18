#include "core/tasks/classification/accuracy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace reviewkd {
namespace {

struct Judged {
  at::Tensor hits;  // [N, k], the most likely class first
  at::Tensor loss;  // summed over the images, float64
};

Judged judge(const TaskInput& input) {
  const at::Tensor logits = input.output.logits.to(at::kDouble);  // [N, classes]
  const at::Tensor labels = input.targets.labels();               // [N]
  const int64_t k = std::min<int64_t>(5, logits.size(1));
  const at::Tensor best = std::get<1>(logits.topk(k, 1));  // [N, k]
  return {best.eq(labels.unsqueeze(1)), at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum)};
}

Evaluation evaluation(double top1, double top5, double loss, int64_t samples, std::vector<double> class_samples,
                      std::vector<double> class_correct) {
  const double count = static_cast<double>(samples);
  return {{{"top1", 100 * top1 / count}, {"top5", 100 * top5 / count}, {"loss", loss / count}},
          samples,
          {{"samples", std::move(class_samples)}, {"correct", std::move(class_correct)}}};
}

}  // namespace

void ImmediateAccuracy::add(const TaskInput& input) {
  const Judged judged = judge(input);
  const at::Tensor first = judged.hits.select(1, 0).contiguous();
  const at::Tensor labels = input.targets.labels().cpu();
  const at::Tensor correct = first.cpu();
  const int64_t* label = labels.const_data_ptr<int64_t>();
  const bool* hit = correct.const_data_ptr<bool>();
  for (int64_t i = 0; i < labels.size(0); ++i) {
    ++class_samples_.at(label[i]);
    class_correct_.at(label[i]) += hit[i] ? 1 : 0;
  }
  top1_ += first.sum().item<double>();
  top5_ += judged.hits.sum().item<double>();
  loss_ += judged.loss.item<double>();
  samples_ += labels.size(0);
}

Evaluation ImmediateAccuracy::compute() const {
  return evaluation(top1_, top5_, loss_, samples_, class_samples_, class_correct_);
}

DeferredAccuracy::DeferredAccuracy(int64_t classes, c10::Device device)
    : totals_(at::zeros({3}, at::TensorOptions(at::kDouble).device(device))),
      counts_(at::zeros({2, classes}, at::TensorOptions(at::kLong).device(device))) {}

void DeferredAccuracy::add(const TaskInput& input) {
  const Judged judged = judge(input);
  const at::Tensor labels = input.targets.labels();
  const at::Tensor first = judged.hits.select(1, 0);
  totals_.add_(at::stack({first.sum().to(at::kDouble), judged.hits.sum().to(at::kDouble), judged.loss}));
  counts_.select(0, 0).scatter_add_(0, labels, at::ones_like(labels));
  counts_.select(0, 1).scatter_add_(0, labels, first.to(at::kLong));
}

Evaluation DeferredAccuracy::compute() const {
  const at::Tensor totals = totals_.cpu();
  const at::Tensor counts = counts_.cpu();
  const auto total = totals.accessor<double, 1>();
  const auto count = counts.accessor<int64_t, 2>();
  std::vector<double> samples, correct;
  int64_t all = 0;
  for (int64_t c = 0; c < counts.size(1); ++c) {
    samples.push_back(static_cast<double>(count[0][c]));
    correct.push_back(static_cast<double>(count[1][c]));
    all += count[0][c];
  }
  return evaluation(total[0], total[1], total[2], all, std::move(samples), std::move(correct));
}

}  // namespace reviewkd
