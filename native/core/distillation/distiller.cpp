#include "core/distillation/distiller.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>

#include "core/error.h"
#include "core/models/init.h"

namespace reviewkd {

Distiller::Distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student, Method method,
                     const DistillerOptions& options)
    : teacher_(std::move(teacher)), student_(std::move(student)), method_(std::move(method)), options_(options) {
  if (teacher_ == student_) {
    fail(ErrorCode::kInvalidArgument, "expected two networks for teacher and student, got the same one twice");
  }
  if (teacher_->module->num_classes() != student_->module->num_classes()) {
    fail(ErrorCode::kShapeMismatch, "expected one number of classes for teacher and student, got ",
         teacher_->module->num_classes(), " and ", student_->module->num_classes());
  }
  if (teacher_->dtype() != student_->dtype()) {
    fail(ErrorCode::kDtypeMismatch, "expected one dtype for teacher and student, got ", teacher_->dtype(), " and ",
         student_->dtype());
  }
  init::place(*method_, student_->device(), student_->dtype());
}

DistillerOutput Distiller::forward(const at::Tensor& images) {
  DistillerOutput output;
  {
    torch::NoGradGuard no_grad;
    teacher_->module->train(options_.teacher_mode == TeacherMode::kTrain);
    output.teacher = teacher_->module->forward(images);
  }
  student_->module->train();
  method_->train();
  output.student = student_->module->forward(images);
  output.method = method_->forward(output.student, output.teacher);
  return output;
}

double Distiller::weight_at(int64_t epoch) const {
  if (options_.warmup_epochs <= 0) return options_.weight;
  return options_.weight * std::min(1.0, static_cast<double>(epoch) / options_.warmup_epochs);
}

}  // namespace reviewkd
