#pragma once
// A frozen teacher that runs ahead of the student: on the batches of the next step, on threads of its own, while the
// student learns from those of this one. The outputs are those that it would have computed in turn.

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "core/training/state/training.h"
#include "core/training/steps/train_step.h"

namespace reviewkd {

/// Threads on which the teacher of this training runs ahead; 0: it runs in turn, on those of the student. By default
/// as many as the student has, if the machine has at least twice as many: the outputs then are the same to the bit.
int threads_ahead(const Training& training);

class TeacherAhead {
 public:
  /// Reads the batches of the next step, or its end; called on another thread, one call at a time.
  using ReadStep = std::function<StepBatches()>;

  /// The training outlives it. It locks the teacher while it runs it.
  TeacherAhead(const Training& training, int threads, ReadStep read_step);
  /// Waits for the batch that the teacher is running on.
  ~TeacherAhead();
  TeacherAhead(const TeacherAhead&) = delete;
  TeacherAhead& operator=(const TeacherAhead&) = delete;

  /// The batches of the next step with the teacher's outputs, or the end. Throws what reading them or running
  /// the teacher threw.
  StepBatches next();

 private:
  void run();
  StepBatches prepare();

  const Training& training_;
  int threads_;
  ReadStep read_step_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<StepBatches> prepared_;
  std::exception_ptr error_;
  bool is_requested_ = true;  // the next step's batches; those after it would take more memory
  bool is_stopped_ = false;
  std::thread thread_;
};

}  // namespace reviewkd
