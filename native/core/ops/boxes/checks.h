#pragma once
// Checks of what detection operations receive: one message for one mistake, whichever operation finds it.

#include <ATen/core/Tensor.h>

namespace reviewkd::ops {

/// Throws SHAPE_MISMATCH unless `boxes` is [N, columns], DTYPE_MISMATCH unless it has floating point values.
void require_rows(const at::Tensor& boxes, int64_t columns, const char* name);
inline void require_boxes(const at::Tensor& boxes, const char* name) { require_rows(boxes, 4, name); }

/// Throws SHAPE_MISMATCH unless `values` has these sizes; `rule` is a sentence with the fix.
void require_sizes(const at::Tensor& values, at::IntArrayRef sizes, const char* name, const char* rule);

/// Throws DTYPE_MISMATCH or DEVICE_MISMATCH unless both have the same type and device.
void require_alike(const at::Tensor& first, const at::Tensor& second, const char* first_name, const char* second_name);

/// Throws DEVICE_MISMATCH unless both are on one device.
void require_same_device(const at::Tensor& first, const at::Tensor& second, const char* first_name,
                         const char* second_name);

/// Throws DTYPE_MISMATCH unless `values` is int64.
void require_int64(const at::Tensor& values, const char* name);

/// Throws DTYPE_MISMATCH unless `values` has floating point values.
void require_floating(const at::Tensor& values, const char* name);

/// Throws INVALID_ARGUMENT unless value is a finite number above 0.
void require_positive(double value, const char* name);

/// Throws INVALID_ARGUMENT unless low <= value <= high; NaN is not within.
void require_within(double value, double low, double high, const char* name);

}  // namespace reviewkd::ops
