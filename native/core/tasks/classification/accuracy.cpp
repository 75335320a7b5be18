#include "core/tasks/classification/accuracy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"

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
  batches_.push_back(
      {first.sum().item<double>(), judged.hits.sum().item<double>(), judged.loss.item<double>(), labels.size(0)});
}

Evaluation ImmediateAccuracy::compute() const {
  BatchSums sums{};
  for (const BatchSums& batch : batches_) {
    sums.top1 += batch.top1;
    sums.top5 += batch.top5;
    sums.loss += batch.loss;
    sums.samples += batch.samples;
  }
  return evaluation(sums.top1, sums.top5, sums.loss, sums.samples, class_samples_, class_correct_);
}

std::string ImmediateAccuracy::pack() const {
  ByteWriter bytes;
  bytes.put_list(batches_);
  bytes.put_list(class_samples_);
  bytes.put_list(class_correct_);
  return bytes.take();
}

void ImmediateAccuracy::merge(const std::vector<std::string>& packed) {
  std::vector<std::vector<BatchSums>> of_processes;
  std::fill(class_samples_.begin(), class_samples_.end(), 0.0);
  std::fill(class_correct_.begin(), class_correct_.end(), 0.0);
  size_t rounds = 0;
  for (const std::string& text : packed) {
    ByteReader bytes(text);
    of_processes.push_back(bytes.get_list<BatchSums>());
    rounds = std::max(rounds, of_processes.back().size());
    for (std::vector<double>* counts : {&class_samples_, &class_correct_}) {
      const auto other = bytes.get_list<double>();
      for (size_t c = 0; c < counts->size(); ++c) (*counts)[c] += other.at(c);
    }
  }
  batches_.clear();
  // In the order of one process, so that sums are rounded alike.
  for (size_t round = 0; round < rounds; ++round) {
    for (const auto& batches : of_processes) {
      if (round < batches.size()) batches_.push_back(batches[round]);
    }
  }
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
