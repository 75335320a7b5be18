#pragma once
// A student, its frozen teacher and the method between them: one forward pass of all three.

#include <memory>

#include "core/distillation/method.h"

namespace reviewkd {

enum class TeacherMode { kEval, kTrain };

struct DistillerOptions {
  /// Batch statistics that drift (`kTrain`, as the official CIFAR code does) or frozen ones.
  TeacherMode teacher_mode = TeacherMode::kEval;
  /// Weight λ of the method's loss, reached after the warm-up.
  double weight = 1.0;
  /// λ(epoch) = weight · min(1, epoch / warmup_epochs); 0: the whole weight from the start.
  double warmup_epochs = 0.0;
};

struct DistillerOutput {
  BackboneOutput student;
  BackboneOutput teacher;
  MethodOutput method;
};

class Distiller {
 public:
  /// Both networks must hold parameters of one type on one device and classify into the same number of classes.
  Distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student, Method method,
            const DistillerOptions& options);

  /// Runs the student and the method in train mode and the teacher in its mode, without gradients for the teacher.
  /// images: [N, 3, H, W].
  DistillerOutput forward(const at::Tensor& images);

  /// The weight λ in `epoch`, counted from 0.
  double weight_at(int64_t epoch) const;

  Network& teacher() const { return *teacher_; }
  Network& student() const { return *student_; }
  const std::shared_ptr<Network>& student_network() const { return student_; }
  MethodImpl& method() const { return *method_; }
  const DistillerOptions& options() const { return options_; }

 private:
  std::shared_ptr<Network> teacher_;
  std::shared_ptr<Network> student_;
  Method method_;
  DistillerOptions options_;
};

}  // namespace reviewkd
