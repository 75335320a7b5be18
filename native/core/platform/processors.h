#pragma once
// The processors that this process may use, which can be fewer than the machine has.

#include <optional>
#include <string>

namespace reviewkd::platform {

/// Processors of the machine, hyper-threads included; 0 if the system does not say.
int machine_processors();

/// Processors that the system runs the calling thread on, as `taskset`, cpusets and their like restrict them; 0 if it
/// does not say.
int scheduled_processors();

/// The processor time that this process is given, in processors: the least quota of its control groups on Linux, or of
/// its job on Windows. Containers have such quotas while they see all processors.
///
/// @param root - The directory whose /proc and control groups are read on Linux.
std::optional<double> processor_quota(const std::string& root = "/");

}  // namespace reviewkd::platform
