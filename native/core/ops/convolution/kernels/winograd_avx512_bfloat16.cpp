// Winograd's convolution, compiled for one instruction set.
#define REVIEWKD_ISA avx512_bfloat16
#include "core/ops/convolution/kernels/winograd.inl"
