#include "core/ops/backend/dispatch.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>

#include <string>

#include "core/platform/processor.h"

namespace reviewkd::ops {
namespace {

thread_local bool reference_path = false;
thread_local int parts_scopes = 0;

#ifdef REVIEWKD_X86_KERNELS
enum class Instructions { kGeneric, kAvx2, kAvx512, kAvx512Bfloat16 };

Instructions find_instructions() {
  const std::string allowed = at::get_cpu_capability();
  if (allowed == "AVX512" && platform::supports(platform::Instructions::kAvx512)) {
    return platform::supports(platform::Instructions::kAvx512Bfloat16) ? Instructions::kAvx512Bfloat16
                                                                       : Instructions::kAvx512;
  }
  if ((allowed == "AVX512" || allowed == "AVX2") && platform::supports(platform::Instructions::kAvx2))
    return Instructions::kAvx2;
  return Instructions::kGeneric;
}

Instructions instructions() {
  static const Instructions found = find_instructions();
  return found;
}
#endif

}  // namespace

ReferenceScope::ReferenceScope(bool enabled) : outer_(reference_path) { reference_path = outer_ || enabled; }

ReferenceScope::~ReferenceScope() { reference_path = outer_; }

bool takes_reference_path() { return reference_path; }

PartsScope::PartsScope() { ++parts_scopes; }

PartsScope::~PartsScope() { --parts_scopes; }

bool takes_parts() { return parts_scopes > 0; }

at::ScalarType computing_type(const at::Tensor& x) {
  const auto device = x.device().type();
  if (x.scalar_type() == at::kFloat && at::autocast::is_autocast_enabled(device))
    return at::autocast::get_autocast_dtype(device);
  return x.scalar_type();
}

const ConvolutionKernels* convolution_kernels(at::ScalarType type) {
#ifdef REVIEWKD_X86_KERNELS
  if (type == at::kFloat && instructions() >= Instructions::kAvx512) return &avx512::kConvolutionsFloat;
  if (type == at::kBFloat16 && instructions() == Instructions::kAvx512Bfloat16)
    return &avx512_bfloat16::kConvolutionsBfloat16;
#endif
  static_cast<void>(type);
  return nullptr;
}

const WinogradKernels* winograd_kernels(at::ScalarType type) {
  if (type != at::kFloat && type != at::kBFloat16) return nullptr;
#ifdef REVIEWKD_X86_KERNELS
  const bool is_float = type == at::kFloat;
  switch (instructions()) {
    case Instructions::kAvx512Bfloat16:
      return is_float ? &avx512_bfloat16::kWinogradFloat : &avx512_bfloat16::kWinogradBfloat16;
    case Instructions::kAvx512: return is_float ? &avx512::kWinogradFloat : &avx512::kWinogradBfloat16;
    case Instructions::kAvx2: return is_float ? &avx2::kWinogradFloat : &avx2::kWinogradBfloat16;
    case Instructions::kGeneric: break;
  }
#endif
  return nullptr;
}

const MapKernels* map_kernels(at::ScalarType type) {
  if (type != at::kFloat && type != at::kBFloat16) return nullptr;
  const bool is_float = type == at::kFloat;
#ifdef REVIEWKD_X86_KERNELS
  switch (instructions()) {
    case Instructions::kAvx512Bfloat16:
      return is_float ? &avx512_bfloat16::kMapsFloat : &avx512_bfloat16::kMapsBfloat16;
    case Instructions::kAvx512: return is_float ? &avx512::kMapsFloat : &avx512::kMapsBfloat16;
    case Instructions::kAvx2: return is_float ? &avx2::kMapsFloat : &avx2::kMapsBfloat16;
    case Instructions::kGeneric: break;
  }
#endif
  return is_float ? &generic::kMapsFloat : &generic::kMapsBfloat16;
}

SgdKernel sgd_kernel() {
#ifdef REVIEWKD_X86_KERNELS
  switch (instructions()) {
    case Instructions::kAvx512Bfloat16: return avx512_bfloat16::kSgd;
    case Instructions::kAvx512: return avx512::kSgd;
    case Instructions::kAvx2: return avx2::kSgd;
    case Instructions::kGeneric: break;
  }
#endif
  return generic::kSgd;
}

void parallel_for_ranges(int64_t count, const std::function<void(int64_t, int64_t, int64_t)>& work) {
  at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) { work(first, last, at::get_thread_num()); });
}

}  // namespace reviewkd::ops
