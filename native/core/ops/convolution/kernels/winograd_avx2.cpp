// Winograd's convolution, compiled for one instruction set.
#define REVIEWKD_ISA avx2
#include "core/ops/convolution/kernels/winograd.inl"
