// The loops over maps and parameters, compiled for one instruction set.
#define REVIEWKD_ISA avx512_bfloat16
#include "core/ops/kernels/maps.h"
