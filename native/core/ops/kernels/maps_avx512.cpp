// The loops over maps and parameters, compiled for one instruction set.
#define REVIEWKD_ISA avx512
#include "core/ops/kernels/maps.h"
