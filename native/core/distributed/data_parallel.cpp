#include "core/distributed/data_parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/io/checksum.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd {
namespace {

/// Fields of StepNews before the losses.
enum NewsField : int64_t { kImages, kReplaced, kMetric, kStops, kSaves, kHasFailed, kNewsFields };

at::Tensor packed(const StepNews& news, const std::vector<bool>& has_gradient, const std::vector<double>& others) {
  std::vector<double> values(kNewsFields);
  values[kImages] = static_cast<double>(news.images);
  values[kReplaced] = static_cast<double>(news.replaced);
  values[kMetric] = news.metric;
  values[kStops] = news.stops ? 1 : 0;
  values[kSaves] = news.saves ? 1 : 0;
  values[kHasFailed] = news.has_failed ? 1 : 0;
  values.insert(values.end(), news.losses.begin(), news.losses.end());
  for (const bool has : has_gradient) values.push_back(has ? 1 : 0);
  values.insert(values.end(), others.begin(), others.end());
  return at::tensor(values, at::kDouble);
}

/// All numbers of tensors, one after the other.
std::vector<double> numbers_of(const NamedTensors& tensors) {
  std::vector<double> numbers;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor values = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
    numbers.insert(numbers.end(), values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  }
  return numbers;
}

/// Gives tensors the numbers that `numbers_of` has taken from them.
void assign(const NamedTensors& tensors, const std::vector<double>& numbers) {
  const torch::NoGradGuard no_grad;
  const at::Tensor all = at::tensor(numbers, at::kDouble);
  int64_t begin = 0;
  for (const auto& [name, tensor] : tensors) {
    tensor.copy_(all.narrow(0, begin, tensor.numel()).view(tensor.sizes()));
    begin += tensor.numel();
  }
}

StepNews news_of(const double* values, size_t losses) {
  return {.images = static_cast<int64_t>(values[kImages]),
          .replaced = static_cast<int64_t>(values[kReplaced]),
          .metric = values[kMetric],
          .losses = {values + kNewsFields, values + kNewsFields + losses},
          .stops = values[kStops] != 0,
          .saves = values[kSaves] != 0,
          .has_failed = values[kHasFailed] != 0};
}

/// The position of a training and its state of an epoch as numbers; whole ones are exact up to 2^53.
std::vector<double> numbers_of(const Session& session) {
  const EpochState& state = session.state();
  Losses losses = session.zero_losses();
  // A checkpoint between epochs has no losses of the methods.
  const bool has_losses = !state.sums.losses.task.empty() && state.sums.losses.terms.size() == losses.terms.size();
  std::vector<double> numbers{static_cast<double>(session.steps()),
                              session.learning_rate(),
                              static_cast<double>(state.epoch),
                              static_cast<double>(state.step),
                              static_cast<double>(state.steps),
                              static_cast<double>(state.sums.images),
                              state.sums.metric,
                              static_cast<double>(state.replaced),
                              state.learning_rate,
                              state.seconds,
                              state.data_wait_seconds,
                              has_losses ? 1.0 : 0.0};
  if (has_losses) losses = state.sums.losses;
  losses.for_each([&](double& value) { numbers.push_back(value); });
  return numbers;
}

void restore(Session& session, const double* number) {
  EpochState state;
  const auto steps = static_cast<int64_t>(*number++);
  const double rate = *number++;
  for (int64_t* field : {&state.epoch, &state.step, &state.steps, &state.sums.images})
    *field = static_cast<int64_t>(*number++);
  state.sums.metric = *number++;
  state.replaced = static_cast<int64_t>(*number++);
  for (double* field : {&state.learning_rate, &state.seconds, &state.data_wait_seconds}) *field = *number++;
  const bool has_losses = *number++ != 0;
  if (has_losses) {
    state.sums.losses = session.zero_losses();
    state.sums.losses.for_each([&](double& value) { value = *number++; });
  }
  session.restore(state, steps, rate);
}

/// Between processes on the processors of one machine an exchange takes time of the backward pass, and no other: there
/// is nothing to wait for meanwhile.
ExchangeOptions exchange_options(const std::vector<Member>& members, c10::DeviceType device) {
  ExchangeOptions options;
  // Each bucket takes a message to every other process: among many, fewer and larger ones.
  constexpr int64_t kFewProcesses = 8;
  const int64_t factor = std::max<int64_t>(1, static_cast<int64_t>(members.size()) / kFewProcesses);
  options.one_bucket_bytes *= factor;
  options.bucket_bytes *= factor;
  const bool is_one_machine = std::all_of(members.begin(), members.end(),
                                          [&](const Member& member) { return member.host == members.front().host; });
  if (is_one_machine && device == c10::kCPU) options.one_bucket_bytes = std::numeric_limits<int64_t>::max();
  // @env REVIEWKD_GRADIENT_BUCKETS tests: Bytes of gradients up to which they are exchanged in one bucket, and bytes of
  // a bucket of more, which overlap the backward pass; the same in all processes. Default: one bucket on the CPU of
  // one machine, otherwise `4194304,4194304`, times the number of processes / 8 from 16 processes on.
  if (const char* text = std::getenv("REVIEWKD_GRADIENT_BUCKETS"); text != nullptr && *text != '\0') {
    std::istringstream numbers(text);
    char comma = 0;
    std::string rest;
    numbers >> options.one_bucket_bytes >> comma >> options.bucket_bytes;
    if (numbers.fail() || comma != ',' || numbers >> rest || options.one_bucket_bytes < 0 || options.bucket_bytes < 1) {
      fail(ErrorCode::kInvalidArgument,
           "invalid REVIEWKD_GRADIENT_BUCKETS: expected two numbers of bytes such as 4194304,4194304, received ", text,
           ". Unset it.");
    }
  }
  return options;
}

/// The memory of a tensor, whatever its order, as one row.
at::Tensor row_of(const at::Tensor& tensor) {
  if (tensor.is_non_overlapping_and_dense())
    return tensor.detach().as_strided({tensor.numel()}, {1}, tensor.storage_offset());
  return tensor.detach().contiguous().view({-1});
}

}  // namespace

DataParallel::DataParallel(std::shared_ptr<ProcessGroup> group, Session& session, const std::string& name)
    : group_(std::move(group)), session_(session), name_(name) {
  const c10::DeviceType device = session.network().device().type();
  const ExchangeOptions options = exchange_options(group_->members(), device);
  host_ = group_->open(name + "/host", group_->size(), at::kCPU);
  check_same_way(device, options);
  device_ = group_->open(name + "/gradients", group_->size(), session.network().device());
  std::vector<at::Tensor> statistics = buffers().statistics;
  // Synchronised ones are the same everywhere.
  if (session.options().sync_batch_norm) statistics.clear();
  const NetworkLock lock(session.network());
  gradients_ =
      std::make_unique<GradientExchange>(*device_, session.trained_parameters(), std::move(statistics), options);
}

DataParallel::~DataParallel() {
  try {
    // Another session of the network may compute gradients, whose hooks these are.
    const NetworkLock lock(session_.network());
    gradients_.reset();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The device has failed, which was reported by the work on it.
  }
}

DataParallel::Buffers DataParallel::buffers() const {
  Buffers buffers;
  const NamedTensors state = session_.training_state();
  const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
  for (const auto& [name, tensor] : state) {
    // A normalization that is frozen has no counter.
    if (!is_norm_counter(name)) continue;
    buffers.counters.push_back(tensor);
    buffers.statistics.push_back(by_name.at(mean_of_counter(name)));
    buffers.statistics.push_back(by_name.at(variance_of_counter(name)));
  }
  return buffers;
}

void DataParallel::check_same_way(c10::DeviceType device, const ExchangeOptions& options) {
  const std::vector<int64_t> own{static_cast<int64_t>(device), options.one_bucket_bytes, options.bucket_bytes};
  const at::Tensor all = group_->together([&] { return gathered(*host_, at::tensor(own, at::kLong)); });
  for (int64_t rank = 1; rank < group_->size(); ++rank) {
    const int64_t* first = all[0].const_data_ptr<int64_t>();
    const int64_t* other = all[rank].const_data_ptr<int64_t>();
    if (first[0] != other[0]) {
      const auto name_of = [](int64_t type) { return c10::DeviceTypeName(static_cast<c10::DeviceType>(type), true); };
      fail(ErrorCode::kProcessesDiffer, "invalid device of ", description_of(rank), ": expected ", name_of(first[0]),
           " as of ", description_of(0), ", received ", name_of(other[0]),
           ". Give all processes the same device; `reviewkd doctor` says why a machine has no CUDA.");
    }
    if (first[1] != other[1] || first[2] != other[2]) {
      fail(ErrorCode::kProcessesDiffer, "invalid REVIEWKD_GRADIENT_BUCKETS of ", description_of(rank), ": expected ",
           first[1], ",", first[2], " as of ", description_of(0), ", received ", other[1], ",", other[2],
           ". Give all processes the same.");
    }
  }
}

void DataParallel::begin_step(int64_t active, bool is_even) {
  active_ = active;
  is_even_ = is_even;
}

at::Tensor DataParallel::Statistics::gather(const at::Tensor& values) {
  return group_.together([&] { return gathered(*communicator_, values); });
}

ops::StatisticsExchange* DataParallel::statistics() {
  if (!session_.options().sync_batch_norm || batch_active_ < 2) return nullptr;
  auto& exchange = statistics_[batch_active_];
  if (!exchange) {
    exchange = std::make_unique<Statistics>(
        *group_, group_->open(name_ + "/statistics-" + std::to_string(batch_active_), batch_active_, at::kCPU));
  }
  return exchange.get();
}

void DataParallel::wait_for_exchange() {
  group_->together([&] { device_->finish(); });
}

void DataParallel::begin_last_backward() { gradients_->begin(active_); }

std::vector<StepNews> DataParallel::end_step(const StepNews& own) {
  return group_->together([&] {
    if (own.images == 0) begin_last_backward();
    const NamedTensors buffers_of_training = session_.network().module->training_buffers();
    std::vector<double> means = numbers_of(buffers_of_training);
    // Before the news: on a device, an exchange may connect the processes first, for which all have to be there.
    gradients_->launch_rest();
    const at::Tensor all = gathered(*host_, packed(own, gradients_->has_gradient(), means));
    std::vector<StepNews> news;
    const size_t parameters = session_.trained_parameters().size(), losses = own.losses.size();
    std::vector<bool> has_any(parameters, false);
    std::fill(means.begin(), means.end(), 0.0);
    for (int64_t rank = 0; rank < all.size(0); ++rank) {
      const double* row = all[rank].const_data_ptr<double>();
      news.push_back(news_of(row, losses));
      row += kNewsFields + losses;
      for (size_t i = 0; i < parameters; ++i) has_any[i] = has_any[i] || row[i] != 0;
      for (size_t i = 0; i < means.size() && rank < active_; ++i)
        means[i] += row[parameters + i] / static_cast<double>(active_);
    }
    gradients_->end(has_any);
    if (!buffers_of_training.empty()) device_->finish();
    assign(buffers_of_training, means);
    if (is_even_) return news;
    // Those without images of a batch have not seen it, and those with fewer have not split it into as many parts.
    const Buffers changed = buffers();
    for (const at::Tensor& counter : changed.counters) broadcast(counter);
    if (session_.options().sync_batch_norm) {
      for (const at::Tensor& statistic : changed.statistics) broadcast(statistic);
    }
    return news;
  });
}

std::vector<std::string> DataParallel::gather_texts(const std::string& text) {
  return group_->together([&] { return gathered_texts(*host_, text); });
}

std::string DataParallel::description_of(int64_t rank) const {
  return group_->members().at(static_cast<size_t>(rank)).description();
}

void DataParallel::broadcast(const at::Tensor& values) {
  const torch::NoGradGuard no_grad;
  if (values.numel() == 0) return;
  const at::Tensor row = row_of(values);
  Communicator& communicator = row.is_cpu() ? *host_ : *device_;
  communicator.broadcast(row, 0);
  if (row.data_ptr() != values.data_ptr()) values.copy_(row.view(values.sizes()));
  ops::mark_changed(values);
}

void DataParallel::share_state() {
  group_->together([&] {
    const NetworkLock lock(session_.network(), session_.moving_teacher());
    const at::Tensor numbers = at::tensor(numbers_of(session_), at::kDouble);
    host_->broadcast(numbers, 0);
    restore(session_, numbers.const_data_ptr<double>());
    for (const auto& [name, tensor] : session_.training_state()) broadcast(tensor);
  });
  check_same_state();
  check_same_teacher();
}

void DataParallel::check_same_teacher() {
  const auto teacher = session_.frozen_teacher();
  if (!teacher) return;
  NamedTensors state;
  {
    const NetworkLock lock(*teacher);
    state = detached_copy(state_dict(*teacher->module));
  }
  if (const auto other = rank_with_other(state)) {
    fail(ErrorCode::kProcessesDiffer, "invalid teacher ", teacher->name, " of ", description_of(*other),
         ": expected the weights of ", description_of(0), ", received others. Give all processes the same file.");
  }
}

std::optional<int64_t> DataParallel::rank_with_other(const NamedTensors& state) {
  const auto sum = static_cast<int64_t>(checksum_of(state));
  return group_->together([&]() -> std::optional<int64_t> {
    const at::Tensor sums = gathered(*host_, at::full({1}, sum, at::kLong));  // [size, 1]
    const int64_t* all = sums.const_data_ptr<int64_t>();
    for (int64_t rank = 1; rank < group_->size(); ++rank) {
      if (all[rank] != all[0]) return rank;
    }
    return std::nullopt;
  });
}

void DataParallel::check_same_position() {
  const EpochState& state = session_.state();
  const std::vector<double> own{static_cast<double>(session_.steps()), session_.learning_rate(),
                                static_cast<double>(state.epoch), static_cast<double>(state.step)};
  const at::Tensor all = group_->together([&] { return gathered(*host_, at::tensor(own, at::kDouble)); });
  const auto text_of = [&](int64_t rank) {
    const double* numbers = all[rank].const_data_ptr<double>();
    std::ostringstream text;
    text << "step " << numbers[0] << ", learning rate " << numbers[1] << ", epoch " << numbers[2] << ", step "
         << numbers[3] << " of it";
    return text.str();
  };
  for (int64_t rank = 1; rank < group_->size(); ++rank) {
    if (all[rank].equal(all[0])) continue;
    fail(ErrorCode::kProcessesDiffer, "invalid position of ", description_of(rank), ": expected ", text_of(0),
         " as of ", description_of(0), ", received ", text_of(rank), ". Make the same calls in every process.");
  }
}

void DataParallel::check_same_state() {
  check_same_position();
  wait_for_exchange();
  NamedTensors state;
  {
    const NetworkLock lock(session_.network(), session_.moving_teacher());
    state = detached_copy(session_.training_state());
  }
  if (const auto other = rank_with_other(state)) {
    fail(ErrorCode::kProcessesDiffer, "invalid networks after step ", session_.steps(), ": expected those of ",
         description_of(0), " in every process, received others of ", description_of(*other),
         ". Resume from the last checkpoint; use the same kind of processor on all machines.");
  }
}

}  // namespace reviewkd
