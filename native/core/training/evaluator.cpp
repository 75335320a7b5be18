#include "core/training/evaluator.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/data/resident_images.h"
#include "core/base/error.h"
#include "core/models/inference.h"
#include "core/ops/backend/kernel_backends.h"
#include "core/ops/backend/dispatch.h"

namespace reviewkd {

namespace {

/// Adds up what batches gave, reading each back.
class HostTally {
 public:
  explicit HostTally(int64_t classes) { sums_.per_class.resize(classes); }

  /// labels: [N]; hits: [N, k], the best class first; loss: summed over the images.
  void add(const at::Tensor& labels, const at::Tensor& hits, const at::Tensor& loss) {
    count_classes(labels, hits.select(1, 0).contiguous());
    sums_.top1 += hits.select(1, 0).sum().item<double>();
    sums_.top5 += hits.sum().item<double>();
    sums_.loss += loss.item<double>();
    sums_.samples += labels.size(0);
  }

  const Evaluation& sums() const { return sums_; }

 private:
  void count_classes(const at::Tensor& labels, const at::Tensor& hits) {
    const at::Tensor classes = labels.cpu();
    const at::Tensor right = hits.cpu();
    const int64_t* label = classes.const_data_ptr<int64_t>();
    const bool* hit = right.const_data_ptr<bool>();
    for (int64_t i = 0; i < classes.size(0); ++i) {
      auto& score = sums_.per_class.at(label[i]);
      ++score.samples;
      score.correct += hit[i] ? 1 : 0;
    }
  }

  Evaluation sums_;
};

/// The same on a device, which goes on meanwhile: what it found is read back once, at the end.
class DeviceTally {
 public:
  DeviceTally(int64_t classes, c10::Device device)
      : totals_(at::zeros({3}, at::TensorOptions(at::kDouble).device(device))),
        counts_(at::zeros({2, classes}, at::TensorOptions(at::kLong).device(device))) {}

  void add(const at::Tensor& labels, const at::Tensor& hits, const at::Tensor& loss) {
    const at::Tensor first = hits.select(1, 0);
    totals_.add_(at::stack({first.sum().to(at::kDouble), hits.sum().to(at::kDouble), loss}));
    counts_.select(0, 0).scatter_add_(0, labels, at::ones_like(labels));
    counts_.select(0, 1).scatter_add_(0, labels, first.to(at::kLong));
  }

  Evaluation sums() const {
    const at::Tensor totals = totals_.cpu();
    const at::Tensor counts = counts_.cpu();
    const auto total = totals.accessor<double, 1>();
    const auto count = counts.accessor<int64_t, 2>();
    Evaluation sums{.top1 = total[0], .top5 = total[1], .loss = total[2], .samples = 0, .per_class = {}};
    for (int64_t c = 0; c < counts.size(1); ++c) {
      sums.per_class.push_back({count[0][c], count[1][c]});
      sums.samples += count[0][c];
    }
    return sums;
  }

 private:
  at::Tensor totals_;  // top-1, top-5, loss
  at::Tensor counts_;  // [2, classes]: images, and those of them that were told right
};

}  // namespace

void check_classes(const BackboneImpl& network, const ImageSet& images) {
  if (images.num_classes > network.num_classes()) {
    fail(ErrorCode::kShapeMismatch, "invalid network: expected ", images.num_classes, " classes for the data set ", images.kind,
         ", received ", network.num_classes(), ".");
  }
}

Evaluation evaluate(Network& network, const ImageSet& set, const EvaluationOptions& options,
                    const EvaluationProgress& progress, const std::atomic<bool>& stop) {
  check_classes(*network.module, set);
  const int64_t classes = network.module->num_classes();
  const int64_t k = std::min<int64_t>(5, classes);
  const bool beside = !options.reference && ops::kernel_backend_of(network.device().type()) != nullptr;
  const BatchPlan plan{.batch_size = options.batch_size};
  at::Tensor picks;
  const auto source = beside ? open_on(network.device(), set, plan, picks) : set.open(plan);
  HostTally on_host(classes);
  std::optional<DeviceTally> on_device;
  if (beside) on_device.emplace(classes, network.device());
  int64_t done = 0;
  torch::NoGradGuard no_grad;
  while (const auto batch = source->next()) {
    const NetworkLock lock(network);
    const auto device = network.device();
    const ops::ReferenceScope path(options.reference);
    const PrecisionScope scope(options.precision, device);
    network.module->eval();
    const at::Tensor images = as_input(batch->images, network.dtype(), device);
    const at::Tensor labels = batch->labels.to(device);
    const at::Tensor logits = infer(*network.module, images).logits.to(at::kDouble);  // [N, classes]
    const at::Tensor best = std::get<1>(logits.topk(k, 1));                            // [N, k]
    const at::Tensor hits = best.eq(labels.unsqueeze(1));                              // [N, k]
    const at::Tensor loss = at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum);
    if (on_device) on_device->add(labels, hits, loss);
    else on_host.add(labels, hits, loss);
    done += labels.size(0);
    if (progress) progress(done);
    if (stop) break;
  }
  if (stop && done < set.size) throw Error(ErrorCode::kAborted, "the evaluation was stopped.");
  if (done == 0) fail(ErrorCode::kInvalidArgument, "invalid data set ", set.kind, ": expected images to evaluate on, received none.");
  Evaluation sums = on_device ? on_device->sums() : on_host.sums();
  const double count = static_cast<double>(sums.samples);
  return {100 * sums.top1 / count, 100 * sums.top5 / count, sums.loss / count, sums.samples, std::move(sums.per_class)};
}

}  // namespace reviewkd
