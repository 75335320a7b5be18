#include "core/ops/pyramid_loss/device.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/kernel_backends.h"

namespace reviewkd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr int64_t kFinestCells = 4;

Pyramid pyramid_of(const at::Tensor& left, const at::Tensor& right, int64_t cells, double weight) {
  Pyramid call{};
  call.type = value_type(left.scalar_type());
  call.images = left.size(0);
  call.channels = left.size(1);
  call.height = left.size(2);
  call.width = left.size(3);
  call.cells = cells;
  call.weight = weight;
  call.left = left.const_data_ptr();
  call.right = right.const_data_ptr();
  return call;
}

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(DevicePyramidLossFunction) {
 public:
  static Variable forward(AutogradContext* context, const at::Tensor& student, const at::Tensor& teacher, double weight,
                          const std::vector<PyramidLevel>& levels) {
    const c10::OptionalDeviceGuard device(student.device());
    const KernelBackend& backend = *kernel_backend_of(student.device().type());
    const at::Tensor left = for_kernels(student, student.scalar_type());
    const at::Tensor right = for_kernels(teacher, student.scalar_type());
    const int64_t cells = levels.empty() ? 1 : levels.front().cells;
    Pyramid call = pyramid_of(left, right, cells, weight);
    for (const auto& level : levels) {
      call.level_cells[call.levels] = level.cells;
      call.level_weight[call.levels++] = level.weight;
    }
    const at::Tensor shifts = device_floats({call.images, cells * cells, call.channels}, left);
    const at::Tensor scratch = device_floats({backend.pyramid_scratch(call)}, left);
    at::Tensor loss = device_floats({}, left);
    call.shifts = shifts.data_ptr<float>();
    call.scratch = scratch.data_ptr<float>();
    call.loss = loss.data_ptr<float>();
    backend.pyramid_loss(call);
    context->save_for_backward({left, right, shifts});
    context->saved_data["weight"] = weight;
    context->saved_data["cells"] = cells;
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &left = saved[0], &right = saved[1], &shifts = saved[2];
    const c10::OptionalDeviceGuard device(left.device());
    const at::Tensor gradient = gradients[0].to(at::kFloat).contiguous();
    at::Tensor result = at::empty_like(left);
    Pyramid call =
        pyramid_of(left, right, context->saved_data["cells"].toInt(), context->saved_data["weight"].toDouble());
    call.shifts = shifts.data_ptr<float>();
    call.loss_gradient = gradient.const_data_ptr<float>();
    call.left_gradient = result.data_ptr();
    kernel_backend_of(left.device().type())->pyramid_gradient(call);
    return {result, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

std::optional<at::Tensor> pyramid_loss_on_device(const at::Tensor& student, const at::Tensor& teacher, double weight,
                                                 const std::vector<PyramidLevel>& levels) {
  if (kernel_backend_for(student) == nullptr || !accelerates(student) || teacher.requires_grad() ||
      levels.size() > kMostLevels) {
    return std::nullopt;
  }
  int64_t finer = 0;
  for (const auto& level : levels) {
    if (student.size(2) % level.cells != 0 || student.size(3) % level.cells != 0 || level.cells > kFinestCells ||
        (finer > 0 && finer % level.cells != 0)) {
      return std::nullopt;
    }
    finer = level.cells;
  }
  return DevicePyramidLossFunction::apply(student, teacher, weight, levels);
}

}  // namespace reviewkd::ops
