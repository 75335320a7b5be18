#include "core/ops/boxes/checks.h"

#include <ATen/ATen.h>

#include <limits>

#include "core/base/error.h"
#include "core/base/numeric.h"

namespace reviewkd::ops {

void require_floating(const at::Tensor& values, const char* name) {
  if (at::isFloatingType(values.scalar_type())) return;
  fail(ErrorCode::kDtypeMismatch, "invalid ", name, ": expected floating point values, received ",
       type_name(values.scalar_type()), ". Convert them to float32 or float64 first.");
}

void require_rows(const at::Tensor& boxes, int64_t columns, const char* name) {
  if (boxes.dim() != 2 || boxes.size(1) != columns) {
    fail(ErrorCode::kShapeMismatch, "invalid ", name, ": expected shape [N, ", columns, "], received ", boxes.sizes(),
         ". Pass ", columns == 5 ? "image, " : "", "x1, y1, x2, y2 in each row; no boxes are [0, ", columns, "].");
  }
  require_floating(boxes, name);
}

void require_sizes(const at::Tensor& values, at::IntArrayRef sizes, const char* name, const char* rule) {
  if (values.sizes() == sizes) return;
  fail(ErrorCode::kShapeMismatch, "invalid ", name, ": expected shape ", sizes, ", received ", values.sizes(), ". ",
       rule);
}

void require_alike(const at::Tensor& first, const at::Tensor& second, const char* first_name, const char* second_name) {
  if (first.scalar_type() != second.scalar_type()) {
    fail(ErrorCode::kDtypeMismatch, "invalid ", second_name, ": expected ", type_name(first.scalar_type()), " as of ",
         first_name, ", received ", type_name(second.scalar_type()), ". Convert one of them to the type of the other.");
  }
  require_same_device(first, second, first_name, second_name);
}

void require_same_device(const at::Tensor& first, const at::Tensor& second, const char* first_name,
                         const char* second_name) {
  if (first.device() == second.device()) return;
  fail(ErrorCode::kDeviceMismatch, "invalid ", second_name, ": expected device ", first.device(), " as of ", first_name,
       ", received ", second.device(), ". Move one of them to the device of the other.");
}

void require_int64(const at::Tensor& values, const char* name) {
  if (values.scalar_type() == at::kLong) return;
  fail(ErrorCode::kDtypeMismatch, "invalid ", name, ": expected int64 values, received ",
       type_name(values.scalar_type()), ". Convert them to int64 first.");
}

void require_positive(double value, const char* name) {
  if (value > 0 && value <= std::numeric_limits<double>::max()) return;
  fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected a number above 0, received ", value,
       ". Pass a finite number above 0.");
}

void require_within(double value, double low, double high, const char* name) {
  if (value >= low && value <= high) return;
  fail(ErrorCode::kInvalidArgument, "invalid ", name, ": expected a number from ", low, " to ", high, ", received ",
       value, ". Pass a number in this range.");
}

}  // namespace reviewkd::ops
