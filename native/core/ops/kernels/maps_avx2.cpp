// The loops over maps and parameters, compiled for one instruction set.
#define REVIEWKD_ISA avx2
#include "core/ops/kernels/maps.h"
