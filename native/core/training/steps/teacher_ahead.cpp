#include "core/training/steps/teacher_ahead.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <utility>

#include "core/base/stopwatch.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/threads/default_threads.h"

namespace reviewkd {

int threads_ahead(const Training& training) {
  const Network* teacher = training.objective.teacher();
  if (teacher == nullptr || training.objective.has_moving_teacher() || !teacher->device().is_cpu()) return 0;
  // The methods run the teacher's box head while the student learns: it cannot run elsewhere at the same time.
  if (training.objective.distiller()->compares_regions()) return 0;
  const SessionOptions& options = training.options;
  if (options.teacher_threads) return static_cast<int>(*options.teacher_threads);
  return options.threads > 0 && ops::default_threads().count >= 2 * options.threads ? options.threads : 0;
}

TeacherAhead::TeacherAhead(const Training& training, int threads, ReadStep read_step)
    : training_(training), threads_(threads), read_step_(std::move(read_step)), thread_([this] { run(); }) {}

TeacherAhead::~TeacherAhead() {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

StepBatches TeacherAhead::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return prepared_ || error_; });
  if (error_) std::rethrow_exception(error_);
  StepBatches step = std::move(*prepared_);
  prepared_.reset();
  is_requested_ = !step.is_end;
  changed_.notify_all();
  return step;
}

void TeacherAhead::run() {
  at::globalContext().setFlushDenormal(true);  // as on the threads of sessions
  at::set_num_threads(threads_);
  std::unique_lock lock(mutex_);
  while (!error_) {
    changed_.wait(lock, [&] { return is_requested_ || is_stopped_; });
    if (is_stopped_) return;
    is_requested_ = false;
    lock.unlock();
    std::optional<StepBatches> step;
    std::exception_ptr error;
    try {
      step = prepare();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    prepared_ = std::move(step);
    error_ = error;
    changed_.notify_all();
  }
}

StepBatches TeacherAhead::prepare() {
  Stopwatch watch;
  StepBatches step = read_step_();
  step.data_wait_seconds = watch.lap();
  const Objective& objective = training_.objective;
  Network& teacher = *objective.teacher();
  const ops::ReferenceScope path(!training_.options.fused);
  const NetworkLock lock(teacher);
  for (size_t i = 0; i < step.batches.size(); ++i) {
    const Batch& batch = step.batches[i];
    const ImageBatch images(as_input(batch.images, teacher.dtype(), teacher.device()), batch.sizes);
    int64_t begin = 0;
    for (const int64_t length : training_.parts_of_batch(step, i)) {
      step.teacher.push_back(objective.run_teacher(images.narrow(begin, length), training_.options.teacher_precision));
      begin += length;
    }
  }
  return step;
}

}  // namespace reviewkd
