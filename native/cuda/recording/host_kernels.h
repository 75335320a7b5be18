#pragma once
// The few libtorch kernels that are executed on the host: fills, conversions and concatenations of scalars, which
// produce the values that a program reads back and branches on.

#include <vector_types.h>

#include <functional>
#include <string>

namespace reviewkd::recording {

/// The effect of a launch of the kernel with this (demangled) name; null: the launch is only recorded. Reads the
/// parameters immediately, because they are invalid afterwards.
std::function<void()> host_execution(const std::string& name, dim3 grid, void** parameters);

}  // namespace reviewkd::recording
