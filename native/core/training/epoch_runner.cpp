#include "core/training/epoch_runner.h"

#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/stopwatch.h"
#include "core/ops/backend/device_streams.h"

namespace reviewkd {
namespace {

/// How long an epoch on a device runs at most before its state is read back.
constexpr double kSecondsUnread = 0.25;

/// How much work a device is given at a time at most, if that is more than one step: within it, no stop is noticed.
constexpr double kSecondsAtOnce = 0.02;

}  // namespace

EpochOptions EpochOptions::from(const Options& options) {
  EpochOptions epoch{
      .epoch = options.integer("epoch"),
      .epochs = options.integer("epochs"),
      .batch_size = options.integer("batchSize"),
      .seed = static_cast<uint64_t>(options.integer("seed")),
      .augment = options.boolean("augment"),
      .schedule = Schedule::from(options.options("schedule")),
  };
  options.read("maxSteps", epoch.max_steps);
  return epoch;
}

EpochRunner::EpochRunner(Training& training, TrainStep& step, const EpochOptions& options, const EpochControl& control,
                         at::Tensor& picks)
    : training_(training), step_(step), options_(options), control_(control), picks_(picks) {}

BatchPlan EpochRunner::begin(const ImageSet& set) {
  EpochState& state = training_.state;
  const int64_t batches_per_step = training_.options.accumulate_batches;
  const bool continues = state.epoch == options_.epoch && state.step > 0 && state.step < state.steps;
  BatchPlan plan{
      .batch_size = options_.batch_size,
      .seed = options_.seed,
      .epoch = options_.epoch,
      .shuffle = true,
      .augment = options_.augment,
      .smallest_batch = std::min<int64_t>(2, options_.batch_size),
      .first_batch = continues ? state.step * batches_per_step : 0,
      .share = training_.share(),
  };
  images_ = set.size;
  training_.objective.task().complete(*training_.objective.network().module, set, plan);
  batches_ = batch_count(set.size, plan);
  if (batches_ == 0)
    fail(ErrorCode::kBatchTooSmall, "invalid data set ", set.kind, ": expected at least 2 training images, received ",
         set.size, ". Add images.");
  if (options_.batch_size < plan.share.size) {
    fail(ErrorCode::kBatchTooSmall, "invalid batchSize: expected ", plan.share.size,
         " or more, an image for each process, received ", options_.batch_size, ". Use larger batches.");
  }
  full_steps_ = (batches_ + batches_per_step - 1) / batches_per_step;
  const int64_t steps = steps_to_take();
  if (steps < full_steps_) {
    plan.max_batches = steps * batches_per_step;
    batches_ = *plan.max_batches;
  }
  if (continues && steps != state.steps) {
    fail(ErrorCode::kInvalidArgument, "invalid rest of epoch ", state.epoch, ": expected ", state.steps,
         " steps, as it was begun with, received ", steps,
         ". Continue it with the same data, batch size, accumulateBatches and maxSteps.");
  }
  check_last_batch(set);
  if (!continues) {
    state = EpochState{};
    state.epoch = options_.epoch;
    state.steps = steps;
  }
  return plan;
}

void EpochRunner::check_last_batch(const ImageSet& set) const {
  const Distiller* distiller = training_.objective.distiller();
  const int64_t processes = training_.share().size, micro_batches = training_.options.micro_batches;
  const int64_t parts = processes * micro_batches;
  // Synchronised statistics are those of all parts.
  if (!distiller || !set.image_size || parts == 1 || (training_.peers && training_.options.sync_batch_norm)) return;
  const int64_t last = std::min(options_.batch_size, images_ - (batches_ - 1) * options_.batch_size);
  const int64_t smallest_share = last / training_.share().active(last);
  try {
    distiller->check(smallest_share / std::min(smallest_share, micro_batches), *set.image_size, /*has_labels=*/true);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kBatchTooSmall) throw;
    const std::string divided = processes == 1       ? std::to_string(micro_batches) + " micro-batches"
                                : micro_batches == 1 ? std::to_string(processes) + " processes"
                                                     : std::to_string(micro_batches) + " micro-batches in each of " +
                                                           std::to_string(processes) + " processes";
    fail(ErrorCode::kBatchTooSmall, "invalid batchSize: expected at least ", 2 * parts,
         " images in the last batch of an epoch, 2 for each of ", divided, ", received ", last, " of ", images_,
         " images in batches of ", options_.batch_size,
         ": the networks have a pooled stage, over a single value of which batch normalization is undefined. Use "
         "another batch size, fewer ",
         training_.peers ? "processes, or synchronised batch normalization (syncBatchNorm)." : "micro-batches.");
  }
}

int64_t EpochRunner::steps_to_take() const {
  if (!options_.max_steps) return full_steps_;
  const int64_t left = *options_.max_steps - options_.epoch * full_steps_;
  if (left < 1) {
    fail(ErrorCode::kInvalidArgument, "invalid epoch ", options_.epoch, ": expected one that begins before maxSteps, ",
         *options_.max_steps, ", received the one that begins after ", options_.epoch * full_steps_,
         " steps. Pass a larger maxSteps, or null.");
  }
  return std::min(full_steps_, left);
}

template <typename Work>
auto EpochRunner::read_back_on_error(const Work& work) {
  try {
    return work();
  } catch (...) {
    // An eager step's state is that of the last step, without being read.
    if (step_.is_deferred() && training_.state.step > 0) read_back();
    throw;
  }
}

template <typename Work>
auto EpochRunner::with_networks(const Work& work) {
  const NetworkLock lock(training_.objective.network(), teacher_ahead_ ? nullptr : training_.objective.teacher());
  training_.check_networks();
  return work(training_.objective.weights_at(training_.state.epoch));
}

void EpochRunner::run(const TrainingImages& images, double& seconds_per_step) {
  const BatchPlan plan = begin(images.set);
  EpochState& state = training_.state;
  training_.check_networks();
  const ops::StreamsScope streams(step_.streams());
  step_.begin_sums(state.sums);
  std::vector<double> rates;
  rates.reserve(static_cast<size_t>(state.steps));
  for (int64_t step = 0; step < state.steps; ++step) rates.push_back(rate_at(step));
  step_.begin_schedule({std::move(rates), state.step, training_.steps});
  if (training_.peers) training_.peers->wait_for_exchange();
  const OpenPass pass = open_on(training_.objective.network().device(), images, plan, picks_);
  if (pass.resident == nullptr && state.step < state.steps) start_teacher(*pass.source);
  // Before the pass ends, which the teacher's thread reads; it may wait for a batch that never comes.
  const auto stop_teacher = c10::make_scope_exit([&] {
    if (teacher_ahead_ && state.step < state.steps) pass.source->cancel();
    teacher_ahead_.reset();
  });

  Stopwatch watch;
  Stopwatch unread;
  double seconds_unread = kSecondsUnread;
  Stopwatch since_read_back;
  int64_t last_read = state.step;
  bool has_stopped = false;
  while (state.step < state.steps && take_steps(pass, seconds_per_step)) {
    seconds_unread += unread.lap();
    bool is_stopped = control_.stop;
    const bool is_read = !step_.is_deferred() || is_stopped || state.step == state.steps ||
                         seconds_unread >= kSecondsUnread || is_report_due();
    if (is_read) {
      read_back();
      seconds_per_step = since_read_back.lap() / static_cast<double>(std::max<int64_t>(1, state.step - last_read));
      last_read = state.step;
      seconds_unread = 0;
    }
    if (training_.peers) is_stopped = peer_stops_;
    has_stopped = is_stopped;
    state.seconds += watch.lap();
    if (is_read) report();
    watch.lap();  // reports, and checkpoints that are written between two steps, are no training
    if (is_stopped) break;
  }
  if (state.step == state.steps) return;
  if (has_stopped || (control_.stop && !training_.peers))
    throw Error(ErrorCode::kAborted, "the epoch was stopped after step " + std::to_string(state.step) + ".");
  fail(ErrorCode::kInvalidArgument, "invalid data set ", images.set.kind, ": expected ", batches_,
       " batches for epoch ", options_.epoch, ", received ", state.step * training_.options.accumulate_batches,
       ". State the number of its images correctly.");
}

bool EpochRunner::take_steps(const OpenPass& pass, double seconds_per_step) {
  if (pass.resident == nullptr || !step_.takes(*pass.resident)) return take_batches(*pass.source);
  EpochState& state = training_.state;
  const int64_t taken = read_back_on_error([&] {
    return with_networks([&](const std::vector<double>& weights) {
      return step_.run(*pass.resident, weights, steps_at_once(seconds_per_step));
    });
  });
  state.step += taken;
  training_.steps += taken;
  training_.learning_rate = state.learning_rate = rate_at(state.step - 1);
  return true;
}

StepBatches EpochRunner::read_batches(BatchSource& source, int64_t step) const {
  const int64_t batches_per_step = training_.options.accumulate_batches;
  const int64_t first = step * batches_per_step;
  const Share share = training_.share();
  StepBatches result;
  for (int64_t number = first; number < std::min(first + batches_per_step, batches_); ++number) {
    const int64_t images = std::min(options_.batch_size, images_ - number * options_.batch_size);
    if (training_.peers) result.images.push_back(images);
    const int64_t own = share.of(images).length;
    if (own == 0) continue;
    auto batch = source.next();
    if (!batch) return {.batches = {}, .is_end = true};
    if (training_.peers && batch->images.size(0) != own) {
      fail(ErrorCode::kInvalidArgument, "invalid batch ", number, " of epoch ", options_.epoch, ": expected ", own,
           " images for this process, received ", batch->images.size(0),
           ". State the number of the data set's images correctly.");
    }
    result.batches.push_back(std::move(*batch));
  }
  return result;
}

void EpochRunner::report() {
  const EpochState& state = training_.state;
  if (control_.progress) control_.progress(state);
  // After the last step the epoch is over: a session that continued from there would begin it again.
  if (state.step == state.steps || !control_.between_steps) return;
  if (training_.peers) {
    if (!peer_saves_) return;
    training_.peers->check_same_state();
  }
  control_.between_steps();
}

void EpochRunner::start_teacher(BatchSource& source) {
  const int threads = threads_ahead(training_);
  if (threads == 0) return;
  // The epoch's position moves on another thread.
  const auto read = [this, &source, step = training_.state.step, steps = training_.state.steps]() mutable {
    return step < steps ? read_batches(source, step++) : StepBatches{.batches = {}, .is_end = true};
  };
  teacher_ahead_ = std::make_unique<TeacherAhead>(training_, threads, read);
}

bool EpochRunner::take_batches(BatchSource& source) {
  EpochState& state = training_.state;
  Stopwatch waiting;
  StepBatches step =
      read_back_on_error([&] { return teacher_ahead_ ? teacher_ahead_->next() : read_batches(source, state.step); });
  if (step.is_end) return false;
  step.stops = control_.stop;
  step.saves = is_report_due();
  // The rest of the wait was for the teacher.
  const double waited = waiting.lap();
  state.data_wait_seconds += teacher_ahead_ ? std::min(waited, step.data_wait_seconds) : waited;
  training_.learning_rate = rate_at(state.step);
  if (!training_.peers) {
    for (const Batch& batch : step.batches) state.replaced += batch.replaced;
  }
  read_back_on_error(
      [&] { with_networks([&](const std::vector<double>& weights) { step_.run(std::move(step), weights); }); });
  ++training_.steps;
  ++state.step;
  state.learning_rate = training_.learning_rate;
  return true;
}

void EpochRunner::read_back() {
  // A source may fail before the first step after a resume.
  if (!step_.has_steps()) return;
  EpochState& state = training_.state;
  StepReport report = step_.read();
  state.is_replayed = report.is_replayed;
  state.why_not_replayed = report.why_not_replayed;
  if (report.first_nonfinite) state.step -= training_.steps - report.first_nonfinite->number;
  state.sums = std::move(report.sums);
  if (training_.peers) {
    state.replaced += report.replaced;
    peer_stops_ = report.stops;
    peer_saves_ = report.saves;
  }
  // Comes last: a checkpoint that is saved after the error holds the finite steps, and their sums.
  if (report.first_nonfinite) throw_nonfinite(training_, step_, *report.first_nonfinite, state.sums);
}

double EpochRunner::rate_at(int64_t step) const {
  const StepPosition position{options_.epoch, options_.epochs, step, full_steps_, options_.max_steps};
  return training_.options.optimizer.learning_rate * learning_rate_scale(options_.schedule, position);
}

int64_t EpochRunner::steps_at_once(double seconds_per_step) const {
  if (control_.stop || is_report_due() || seconds_per_step <= 0) return 1;
  return static_cast<int64_t>(std::max(1.0, kSecondsAtOnce / seconds_per_step));
}

void throw_nonfinite(Training& training, TrainStep& step, const NonFiniteStep& found, const EpochSums& sums) {
  // The steps behind it have changed nothing that is trained.
  training.steps = found.number;
  step.begin_sums(sums);
  training.objective.check_finite(found.losses, found.number);
  training.objective.check_norm(found.gradient_norm, found.number);
  fail(ErrorCode::kInternal, "invalid report of step ", found.number,
       ": expected a value that is not finite, received none.");
}

}  // namespace reviewkd
