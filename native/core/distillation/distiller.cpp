#include "core/distillation/distiller.h"

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/modules/container/modulelist.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/stopwatch.h"
#include "core/models/inference.h"
#include "core/models/init.h"
#include "core/ops/backend/device_streams.h"

namespace reviewkd {
namespace {

/// A single method itself; the methods of a sum under "methods".
std::shared_ptr<torch::nn::Module> modules_of(const std::vector<Term>& terms, bool is_sum) {
  if (!is_sum) return terms.at(0).method;
  torch::nn::ModuleList methods;
  for (const auto& term : terms) methods->push_back(std::static_pointer_cast<torch::nn::Module>(term.method));
  auto modules = std::make_shared<torch::nn::Module>();
  modules->register_module("methods", methods);
  return modules;
}

}  // namespace

DistillerOptions DistillerOptions::from(const Options& options) {
  return {
      .teacher_mode =
          options.choice<TeacherMode>("teacherMode", {{"eval", TeacherMode::kEval}, {"train", TeacherMode::kTrain}}),
      .is_sum = options.string("kind") == "sum",
  };
}

Distiller::Distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
                     std::shared_ptr<const Matching> matching, std::vector<Term> terms, const DistillerOptions& options)
    : teacher_(std::move(teacher)),
      student_(std::move(student)),
      matching_(std::move(matching)),
      terms_(std::move(terms)),
      options_(options),
      modules_(modules_of(terms_, options.is_sum)) {
  if (teacher_ == student_) {
    fail(ErrorCode::kInvalidArgument,
         "invalid student: expected a network other than the teacher, received the same one.");
  }
  check_kinds();
  if (student_->module->is_classifier() && teacher_->module->num_classes() != student_->module->num_classes()) {
    fail(ErrorCode::kShapeMismatch, "invalid numClasses: expected the same for teacher and student, received ",
         teacher_->module->num_classes(), " and ", student_->module->num_classes(), ".");
  }
  if (teacher_->dtype() != student_->dtype()) {
    fail(ErrorCode::kDtypeMismatch, "invalid dtype: expected the same for teacher and student, received ",
         teacher_->dtype(), " and ", student_->dtype(), ".");
  }
  init::place(*modules_, student_->device(), student_->dtype());
}

DistillerOutput Distiller::forward(const ImageBatch& images, const at::Tensor& labels) {
  check(images, labels);
  DistillerOutput output;
  Stopwatch watch;
  ops::SideWork side;  // on a device alongside the student
  side.run([&] {
    torch::NoGradGuard no_grad;
    teacher_->module->train(options_.teacher_mode == TeacherMode::kTrain);
    output.teacher = infer(*teacher_->module, images);
  });
  output.teacher_seconds = watch.lap();
  student_->module->train();
  modules_->train();
  output.student = student_->module->forward_batch(images);
  output.student_seconds = watch.lap();
  side.join();
  for (const auto& term : terms_)
    output.terms.push_back(term.method->forward({output.student, output.teacher, labels}));
  return output;
}

void Distiller::check_kinds() const {
  if (teacher_->module->is_classifier() != student_->module->is_classifier()) {
    fail(ErrorCode::kInvalidArgument, "invalid teacher: expected ",
         student_->module->is_classifier() ? "a classifier" : "a detector", " as the student is, received ",
         teacher_->name, ". Both must be classifiers, or both detectors.");
  }
  for (const auto& term : terms_) {
    if (student_->module->is_classifier() || !term.method->stages().empty()) continue;
    fail(ErrorCode::kInvalidArgument, "invalid method for detectors: expected one that compares maps, received ",
         term.kind, ", which compares the logits of classifiers. Use \"review\" or another method on stages.");
  }
}

void Distiller::check(const ImageBatch& images, const at::Tensor& labels) const {
  const ImageSize size = image_size_of(images.pixels);
  const BatchSpec batch{
      .images = images.count(),
      .classes = student_->module->num_classes(),
      .has_labels = labels.defined(),
      .student = student_->module->feature_specs(size),
      .teacher = teacher_->module->feature_specs(size),
  };
  for (const auto& term : terms_) term.method->check(batch);
}

std::vector<double> Distiller::weights_at(int64_t epoch) const {
  std::vector<double> weights;
  weights.reserve(terms_.size());
  for (const auto& term : terms_) weights.push_back(term.share.weight_at(epoch));
  return weights;
}

std::string Distiller::name_of(size_t term) const {
  const std::string& kind = terms_.at(term).kind;
  return options_.is_sum ? kind + " (method.of[" + std::to_string(term) + "])" : kind;
}

}  // namespace reviewkd
