#include "core/distributed/gradient_exchange.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <utility>

namespace reviewkd {
namespace {

/// The values of a bucket from `offset` on, in the memory order of `like`.
at::Tensor view_like(const at::Tensor& flat, int64_t offset, const at::Tensor& like) {
  const at::Tensor values = flat.narrow(0, offset, like.numel());
  if (like.is_non_overlapping_and_dense())
    return values.as_strided(like.sizes(), like.strides(), values.storage_offset());
  return values.view(like.sizes());
}

}  // namespace

/// Called by autograd once a parameter's gradient is complete.
class GradientExchange::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientExchange& exchange, size_t parameter) : exchange_(exchange), parameter_(parameter) {}

  void operator()(const torch::autograd::Variable&) override { exchange_.received(parameter_); }
  bool is_of(const GradientExchange& exchange) const { return &exchange_ == &exchange; }

 private:
  GradientExchange& exchange_;
  size_t parameter_;
};

GradientExchange::GradientExchange(Communicator& communicator, NamedTensors parameters,
                                   std::vector<at::Tensor> statistics, const ExchangeOptions& options)
    : communicator_(communicator), parameters_(std::move(parameters)), statistics_(std::move(statistics)) {
  int64_t bytes = 0, statistics_count = 0;
  for (const auto& [name, parameter] : parameters_) bytes += static_cast<int64_t>(parameter.nbytes());
  for (const at::Tensor& values : statistics_) statistics_count += values.numel();
  places_.resize(parameters_.size());
  is_received_.resize(parameters_.size());
  // A backward pass computes the gradients of the last layers first.
  std::vector<size_t> group;
  int64_t group_bytes = 0;
  const bool is_one = bytes <= options.one_bucket_bytes;
  for (size_t i = parameters_.size(); i-- > 0;) {
    const auto size = static_cast<int64_t>(parameters_[i].second.nbytes());
    if (!is_one && !group.empty() && group_bytes + size > options.bucket_bytes) {
      add_bucket(std::exchange(group, {}), 0);
      group_bytes = 0;
    }
    group.push_back(i);
    group_bytes += size;
  }
  add_bucket(group, statistics_count);
  if (is_one) return;
  sums_ = concurrent_sums(communicator_, parameters_.front().second.device());
  for (size_t i = 0; i < parameters_.size(); ++i)
    torch::autograd::impl::set_post_acc_grad_hooks(parameters_[i].second, std::make_unique<Hook>(*this, i));
}

GradientExchange::~GradientExchange() {
  if (!sums_) return;
  for (const auto& [name, parameter] : parameters_) {
    // A newer session of the same network has put its own in this one's place.
    const auto* hook = dynamic_cast<const Hook*>(torch::autograd::impl::post_acc_grad_hooks(parameter).get());
    if (hook != nullptr && hook->is_of(*this)) torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  }
}

void GradientExchange::add_bucket(const std::vector<size_t>& parameters, int64_t statistics) {
  Bucket bucket;
  int64_t count = statistics;
  for (const size_t parameter : parameters) {
    places_[parameter] = {buckets_.size(), bucket.slots.size()};
    bucket.slots.push_back({parameter, count});
    count += parameters_[parameter].second.numel();
  }
  // Each process adds a part of the same length.
  const int64_t size = communicator_.size();
  count = (count + size - 1) / size * size;
  bucket.flat = at::zeros({count}, parameters_.front().second.detach().options());
  buckets_.push_back(std::move(bucket));
}

void GradientExchange::begin(int64_t active) {
  active_ = active;
  launched_ = 0;
  std::fill(is_received_.begin(), is_received_.end(), false);
  for (Bucket& bucket : buckets_) bucket.missing = bucket.slots.size();
  is_begun_ = true;
}

void GradientExchange::copy_in(Bucket& bucket, const Slot& slot) {
  const at::Tensor& parameter = parameters_[slot.parameter].second;
  const at::Tensor values = view_like(bucket.flat, slot.offset, parameter);
  if (parameter.grad().defined()) values.copy_(parameter.grad());
  else values.zero_();
}

void GradientExchange::received(size_t parameter) {
  if (!is_begun_ || is_received_[parameter]) return;
  const torch::NoGradGuard no_grad;
  const auto [number, slot] = places_[parameter];
  Bucket& bucket = buckets_[number];
  copy_in(bucket, bucket.slots[slot]);
  is_received_[parameter] = true;
  --bucket.missing;
  launch_complete();
}

void GradientExchange::launch_complete() {
  // The last one has the statistics as well, which are complete at the end.
  while (launched_ + 1 < buckets_.size() && buckets_[launched_].missing == 0) launch(launched_);
}

void GradientExchange::launch(size_t bucket) {
  ++launched_;
  const at::Tensor& values = buckets_[bucket].flat;
  if (sums_) sums_->begin(values, active_);
  else sum_in_order(communicator_, values, active_);
}

std::vector<bool> GradientExchange::has_gradient() const {
  std::vector<bool> result;
  result.reserve(parameters_.size());
  for (const auto& [name, parameter] : parameters_) result.push_back(parameter.grad().defined());
  return result;
}

void GradientExchange::launch_rest() {
  const torch::NoGradGuard no_grad;
  is_begun_ = false;
  for (Bucket& bucket : buckets_) {
    for (const Slot& slot : bucket.slots) {
      if (!is_received_[slot.parameter]) copy_in(bucket, slot);
    }
    bucket.missing = 0;
  }
  const at::Tensor& last = buckets_.back().flat;
  int64_t offset = 0;
  for (const at::Tensor& values : statistics_) {
    view_like(last, offset, values).copy_(values);
    offset += values.numel();
  }
  launch_complete();
  launch(launched_);
}

void GradientExchange::end(const std::vector<bool>& has_any) {
  const torch::NoGradGuard no_grad;
  if (sums_) sums_->wait();
  for (const Bucket& bucket : buckets_) {
    for (const Slot& slot : bucket.slots) {
      at::Tensor parameter = parameters_[slot.parameter].second;
      if (has_any[slot.parameter]) parameter.mutable_grad() = view_like(bucket.flat, slot.offset, parameter);
      else parameter.mutable_grad() = at::Tensor();
    }
  }
  const at::Tensor& last = buckets_.back().flat;
  int64_t offset = 0;
  for (const at::Tensor& values : statistics_) {
    values.copy_(view_like(last, offset, values).div(static_cast<double>(active_)));
    offset += values.numel();
  }
}

}  // namespace reviewkd
