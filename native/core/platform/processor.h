#pragma once
// Which vector instructions the processor has and the system lets programs use.

namespace reviewkd::platform {

enum class Instructions {
  kAvx2,            // with FMA
  kAvx512,          // F, BW, VL and DQ
  kAvx512Bfloat16,  // beyond these
};

/// False on processors of other families.
bool supports(Instructions set);

}  // namespace reviewkd::platform
