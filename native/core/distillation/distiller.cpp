#include "core/distillation/distiller.h"

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/modules/container/modulelist.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/models/detection/detector.h"
#include "core/models/inference.h"
#include "core/models/init.h"

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
  check_logits();
  if (teacher_->dtype() != student_->dtype()) {
    fail(ErrorCode::kDtypeMismatch, "invalid dtype: expected the same for teacher and student, received ",
         type_name(teacher_->dtype()), " and ", type_name(student_->dtype()), ".");
  }
  init::place(*modules_, student_->device(), student_->dtype());
}

DistillerOutput Distiller::forward(const ImageBatch& images, const at::Tensor& labels) {
  check(images, labels.defined() || !student_->module->is_classifier());
  DistillerOutput output{.student = {}, .teacher = run_teacher(images), .terms = {}};
  output.student = run_student(images);
  output.terms = run_methods(output.student, output.teacher, labels);
  return output;
}

BackboneOutput Distiller::run_teacher(const ImageBatch& images) const {
  const torch::NoGradGuard no_grad;
  const bool trains = options_.teacher_mode == TeacherMode::kTrain;
  if (teacher_->module->is_training() != trains) teacher_->module->train(trains);
  return infer(*teacher_->module, images);
}

BackboneOutput Distiller::run_student(const ImageBatch& images) {
  student_->module->train();
  modules_->train();
  return student_->module->forward_batch(images);
}

std::vector<MethodOutput> Distiller::run_methods(const BackboneOutput& student, const BackboneOutput& teacher,
                                                 const at::Tensor& labels) {
  std::vector<MethodOutput> outputs;
  outputs.reserve(terms_.size());
  for (const auto& term : terms_) {
    const bool has_input = !term.method->is_on_logits() || student.logits.defined();
    outputs.push_back(has_input ? term.method->forward({student, teacher, labels}) : MethodOutput{});
  }
  return outputs;
}

void Distiller::add_region_logits(const detection::RegionSample& regions, const ImageBatch& images,
                                  BackboneOutput& student, BackboneOutput& teacher) const {
  const torch::NoGradGuard no_grad;
  student.logits = regions.logits;
  teacher.logits = detector_of(*teacher_->module).region_logits(levels_of(teacher), images, regions.boxes);
}

bool Distiller::compares_regions() const {
  return !student_->module->is_classifier() &&
         std::any_of(terms_.begin(), terms_.end(), [](const Term& term) { return term.method->is_on_logits(); });
}

void Distiller::check_kinds() const {
  if (teacher_->module->is_classifier() == student_->module->is_classifier()) return;
  fail(ErrorCode::kInvalidArgument, "invalid teacher: expected ",
       student_->module->is_classifier() ? "a classifier" : "a detector", " as the student ", student_->name,
       " is, received ", teacher_->name, ". Both must be classifiers, or both detectors.");
}

void Distiller::check_logits() const {
  const bool are_classifiers = student_->module->is_classifier();
  const auto on_logits =
      std::find_if(terms_.begin(), terms_.end(), [](const Term& term) { return term.method->is_on_logits(); });
  if (!are_classifiers) {
    if (on_logits == terms_.end()) return;
    for (const Network* network : {teacher_.get(), student_.get()}) {
      if (detector_of(*network->module).has_regions()) continue;
      fail(
          ErrorCode::kInvalidArgument, "invalid method ", on_logits->kind, " for ", network->name,
          ": expected detectors that classify regions (faster-rcnn, mask-rcnn) as teacher and student. Use a method on "
          "levels of pyramids, such as \"review\".");
    }
  }
  if (teacher_->module->num_classes() == student_->module->num_classes()) return;
  fail(ErrorCode::kShapeMismatch, "invalid numClasses: expected the same for teacher and student, received ",
       teacher_->module->num_classes(), " and ", student_->module->num_classes(), ".",
       are_classifiers ? "" : " Only methods on levels, such as \"review\", take detectors of other classes.");
}

void Distiller::check(const ImageBatch& images, bool has_labels) const {
  check(images.count(), image_size_of(images.pixels), has_labels);
}

void Distiller::check(int64_t images, ImageSize size, bool has_labels) const {
  const BatchSpec batch{
      .images = images,
      .classes = student_->module->num_classes(),
      .has_labels = has_labels,
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
