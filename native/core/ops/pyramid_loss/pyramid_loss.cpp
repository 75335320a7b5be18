#include "core/ops/pyramid_loss/pyramid_loss.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/base/numeric.h"
#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"
#include "core/ops/pyramid_loss/device.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

}  // namespace

/// Converts sums over the cells of the finest grid, [cells · cells, C], to their share of the loss and of the
/// gradient.
class Cells {
 public:
  Cells(const at::Tensor& map, const std::vector<PyramidLevel>& levels)
      : levels_(levels),
        finest_(levels.empty() ? 1 : levels.front().cells),
        images_(map.size(0)),
        channels_(map.size(1)),
        pixels_(map.size(2) * map.size(3)) {}

  int64_t finest() const { return finest_; }
  int64_t values() const { return finest_ * finest_ * channels_; }

  /// Converts the sums of an image to shifts of its gradient.
  double turn(float* sums) const {
    std::vector<double> shifts(values(), 0.0);
    double loss = 0.0;
    for (const auto& level : levels_) {
      const int64_t nested = finest_ / level.cells;
      const double window = static_cast<double>(pixels_) / static_cast<double>(level.cells * level.cells);
      const double share = level.weight / static_cast<double>(images_ * channels_ * level.cells * level.cells);
      std::vector<double> means(level.cells * level.cells * channels_, 0.0);
      const auto mean_of = [&](int64_t cell) {
        return means.data() + (cell / finest_ / nested * level.cells + cell % finest_ / nested) * channels_;
      };
      for (int64_t cell = 0; cell < finest_ * finest_; ++cell) {
        double* mean = mean_of(cell);
        for (int64_t c = 0; c < channels_; ++c) mean[c] += sums[cell * channels_ + c] / window;
      }
      for (const double mean : means) loss += share * mean * mean;
      for (int64_t cell = 0; cell < finest_ * finest_; ++cell) {
        const double* mean = mean_of(cell);
        for (int64_t c = 0; c < channels_; ++c) shifts[cell * channels_ + c] += 2.0 * share * mean[c] / window;
      }
    }
    for (size_t i = 0; i < shifts.size(); ++i) sums[i] = static_cast<float>(shifts[i]);
    return loss;
  }

 private:
  const std::vector<PyramidLevel>& levels_;
  int64_t finest_, images_, channels_, pixels_;
};

REVIEWKD_AUTOGRAD_FUNCTION(PyramidLossFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& student, const at::Tensor& teacher, double weight,
                          const std::vector<PyramidLevel>& levels) {
    const at::ScalarType type = student.scalar_type();
    const PyramidKernels& kernels = map_kernels(type)->pyramid;
    const at::Tensor left = in_order(student, type);
    const at::Tensor right = in_order(teacher, type);
    const int64_t count = left.size(0);
    const Cells cells(left, levels);
    at::Tensor shifts = at::empty({count, cells.values()}, at::kFloat);
    std::vector<double> losses(count);
    const double factor = weight / static_cast<double>(left.numel());
    const NhwcView lefts(left), rights(right);
    parallel_for_ranges(count, [&](int64_t first, int64_t last, int64_t) {
      for (int64_t n = first; n < last; ++n) {
        float* sums = shifts.data_ptr<float>() + n * cells.values();
        losses[n] = factor * kernels.difference(lefts[n], rights[n], left.size(2), left.size(3), left.size(1),
                                                cells.finest(), sums);
        losses[n] += cells.turn(sums);
      }
    });
    double loss = 0.0;
    for (const double part : losses) loss += part;
    context->save_for_backward({left, right, shifts});
    context->saved_data["factor"] = 2.0 * factor;
    context->saved_data["cells"] = cells.finest();
    return at::scalar_tensor(loss, at::kFloat);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &left = saved[0], &right = saved[1];
    const float scale = gradients[0].item<float>();
    const at::Tensor shifts = saved[2] * scale;
    const float factor = static_cast<float>(context->saved_data["factor"].toDouble()) * scale;
    const int64_t cells = context->saved_data["cells"].toInt();
    const PyramidKernels& kernels = map_kernels(left.scalar_type())->pyramid;
    at::Tensor result = at::empty_like(left);
    const NhwcView lefts(left), rights(right), results(result);
    parallel_for_ranges(left.size(0), [&](int64_t first, int64_t last, int64_t) {
      for (int64_t n = first; n < last; ++n) {
        kernels.gradient(lefts[n], rights[n], left.size(2), left.size(3), left.size(1), cells, factor,
                         shifts.const_data_ptr<float>() + n * shifts.size(1), results[n]);
      }
    });
    return {result, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

namespace {

bool is_fast(const at::Tensor& student, const at::Tensor& teacher, const std::vector<PyramidLevel>& levels) {
  if (takes_reference_path() || !student.is_cpu() || map_kernels(student.scalar_type()) == nullptr ||
      teacher.requires_grad() || student.size(1) % kLanes != 0) {
    return false;
  }
  int64_t finer = 0;
  for (const auto& level : levels) {
    if (student.size(2) % level.cells != 0 || student.size(3) % level.cells != 0 ||
        (finer > 0 && finer % level.cells != 0))
      return false;
    finer = level.cells;
  }
  return true;
}

}  // namespace

at::Tensor pyramid_loss_reference(const at::Tensor& student_map, const at::Tensor& teacher_map, double weight,
                                  const std::vector<PyramidLevel>& levels) {
  const at::Tensor student = at_least_float32(student_map);
  const at::Tensor teacher = at_least_float32(teacher_map);
  at::Tensor loss = weight * at::mse_loss(student, teacher);
  for (const auto& level : levels) {
    loss = loss +
           level.weight * at::mse_loss(at::adaptive_avg_pool2d(student, {level.cells, level.cells}),  // [N, C, l, l]
                                       at::adaptive_avg_pool2d(teacher, {level.cells, level.cells}));
  }
  return loss;
}

at::Tensor pyramid_loss(const at::Tensor& student, const at::Tensor& teacher, double weight,
                        const std::vector<PyramidLevel>& levels) {
  if (auto result = pyramid_loss_on_device(student, teacher, weight, levels)) return *result;
  if (!is_fast(student, teacher, levels)) return pyramid_loss_reference(student, teacher, weight, levels);
  return PyramidLossFunction::apply(student, teacher, weight, levels);
}

}  // namespace reviewkd::ops
