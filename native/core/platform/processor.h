#pragma once
// Vector instructions that the processor supports and the system enables.

namespace reviewkd::platform {

enum class Instructions {
  kAvx2,            // with FMA
  kAvx512,          // F, BW, VL and DQ
  kAvx512Bfloat16,  // in addition to these
};

/// False on processors of other families.
bool supports(Instructions set);

}  // namespace reviewkd::platform
