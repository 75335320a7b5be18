#pragma once
// A student, its frozen teacher and the methods between them: one forward pass through all.

#include <memory>

#include "core/distillation/method.h"
#include "core/models/detection/boxes/detections.h"

namespace reviewkd {

enum class TeacherMode { kEval, kTrain };

/// One method with its share of the loss.
struct Term {
  std::string kind;
  Method method;
  LossShare share;
};

struct DistillerOptions {
  /// Updating batch statistics (`kTrain`, as in the official CIFAR code) or frozen ones.
  TeacherMode teacher_mode = TeacherMode::kEval;
  /// Whether the method is a sum: the names of term K's parameters then start with "methods.K.".
  bool is_sum = false;

  static DistillerOptions from(const Options& options);
};

struct DistillerOutput {
  BackboneOutput student;
  BackboneOutput teacher;
  std::vector<MethodOutput> terms;
};

class Distiller {
 public:
  /// Both networks must have parameters of one type on one device and, for methods on logits, the same number of
  /// classes. Requires one term, or one or more of a sum.
  Distiller(std::shared_ptr<Network> teacher, std::shared_ptr<Network> student,
            std::shared_ptr<const Matching> matching, std::vector<Term> terms, const DistillerOptions& options);

  /// Runs the student and the methods in train mode and the teacher in its mode, without gradients for the teacher.
  /// images: [N, 3, H, W]; labels: [N], int64, undefined if there are none. Throws what `check` does. Of detectors,
  /// terms on logits are empty: they need the regions of a training step.
  DistillerOutput forward(const ImageBatch& images, const at::Tensor& labels);

  /// Its parts, in this order: rejects invalid inputs of a method before any statistic is updated (BATCH_TOO_SMALL,
  /// INVALID_ARGUMENT); runs the networks; then the methods.
  void check(const ImageBatch& images, bool has_labels) const;
  /// The same for `images` images of one size.
  void check(int64_t images, ImageSize size, bool has_labels) const;
  BackboneOutput run_teacher(const ImageBatch& images) const;
  BackboneOutput run_student(const ImageBatch& images);
  std::vector<MethodOutput> run_methods(const BackboneOutput& student, const BackboneOutput& teacher,
                                        const at::Tensor& labels);

  /// Of two detectors and methods on logits: the student's logits of the regions that it was trained on, and the
  /// teacher's of the same. Run between networks and methods, whose labels are those of the regions.
  void add_region_logits(const detection::RegionSample& regions, const ImageBatch& images, BackboneOutput& student,
                         BackboneOutput& teacher) const;
  bool compares_regions() const;

  /// The weights λ of the terms in `epoch`, counted from 0.
  std::vector<double> weights_at(int64_t epoch) const;

  /// A term's name in messages: its kind and, in a sum, its position.
  std::string name_of(size_t term) const;

  Network& teacher() const { return *teacher_; }
  Network& student() const { return *student_; }
  const std::shared_ptr<Network>& student_network() const { return student_; }
  const std::shared_ptr<Network>& teacher_network() const { return teacher_; }
  const Matching& matching() const { return *matching_; }
  const std::vector<Term>& terms() const { return terms_; }
  /// All modules of the methods, under their published names.
  torch::nn::Module& modules() const { return *modules_; }
  const DistillerOptions& options() const { return options_; }

 private:
  void check_kinds() const;
  void check_logits() const;

  std::shared_ptr<Network> teacher_;
  std::shared_ptr<Network> student_;
  std::shared_ptr<const Matching> matching_;
  std::vector<Term> terms_;
  DistillerOptions options_;
  std::shared_ptr<torch::nn::Module> modules_;
};

}  // namespace reviewkd
