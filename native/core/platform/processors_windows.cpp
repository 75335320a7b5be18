#include "core/platform/processors.h"

#include <bit>

#include "core/platform/win32.h"

namespace reviewkd::platform {

int machine_processors() { return static_cast<int>(::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)); }

int scheduled_processors() {
  // Since Windows 11 a process runs in all groups of processors, of which the mask describes one.
  if (::GetActiveProcessorGroupCount() > 1) return machine_processors();
  DWORD_PTR own = 0, all = 0;
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &own, &all) == 0) return 0;
  return std::popcount(static_cast<unsigned long long>(own));
}

std::optional<double> processor_quota(const std::string&) {
  JOBOBJECT_CPU_RATE_CONTROL_INFORMATION control{};
  // Without a job this fails.
  if (::QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &control, sizeof control, nullptr) == 0)
    return std::nullopt;
  constexpr DWORD kHasCap = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
  if ((control.ControlFlags & kHasCap) != kHasCap || control.CpuRate == 0) return std::nullopt;
  // In hundredths of a percent of all processors.
  return control.CpuRate / 10000.0 * machine_processors();
}

}  // namespace reviewkd::platform
