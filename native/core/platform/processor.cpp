#include "core/platform/processor.h"

// The compiler's __builtin_cpu_supports needs its run-time library, which is not linked automatically on every
// system.
#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

#include <cstdint>

namespace reviewkd::platform {
namespace {

/// A bit of one of the registers that CPUID returns. Intel: Software Developer's Manual, volume 2A.
constexpr bool has(uint32_t value, int bit) { return (value >> bit & 1) != 0; }

struct Found {
  bool avx2 = false, avx512 = false, avx512_bfloat16 = false;
};

/// The registers that the system saves on a context switch. XGETBV in assembly, because its intrinsic requires a
/// compiler flag.
uint64_t saved_registers() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

Found find() {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return {};
  const bool fma = has(c, 12), asks_system = has(c, 27);
  if (!asks_system || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return {};
  constexpr uint64_t kYmm = 0x06, kZmm = 0xe6;
  const uint64_t saved = saved_registers();
  Found found;
  found.avx2 = (saved & kYmm) == kYmm && has(b, 5) && fma;
  found.avx512 = (saved & kZmm) == kZmm && has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31);
  const bool has_subleaf = a >= 1;
  found.avx512_bfloat16 = found.avx512 && has_subleaf && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && has(a, 5);
  return found;
}

}  // namespace

bool supports(Instructions set) {
  static const Found found = find();
  switch (set) {
    case Instructions::kAvx2: return found.avx2;
    case Instructions::kAvx512: return found.avx512;
    case Instructions::kAvx512Bfloat16: return found.avx512_bfloat16;
  }
  return false;
}

}  // namespace reviewkd::platform

#else

namespace reviewkd::platform {

bool supports(Instructions) { return false; }

}  // namespace reviewkd::platform

#endif
