#pragma once
// The few kernels of libtorch that are executed on the host: fills, conversions and concatenations of scalars, by which values reach what a program
// reads back and is steered by.

#include <vector_types.h>

#include <functional>
#include <string>

namespace reviewkd::recording {

/// What a launch of the kernel of this (demangled) name does; none: it is recorded alone. Reads its parameters at once, for they are gone afterwards.
std::function<void()> host_execution(const std::string& name, dim3 grid, void** parameters);

}  // namespace reviewkd::recording
