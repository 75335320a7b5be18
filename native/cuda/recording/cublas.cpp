// cuBLAS and cuBLASLt, as far as libtorch's matrix products need them: handles are stored, products are recorded as
// kernels of their name. Functions of cuBLAS that are not defined here come from generated.cpp via
// `reviewkd_recording_blas`. Types declare only the fields that are read.

#include <driver_types.h>

#include <cstdint>
#include <cstring>

#include "cuda/recording/streams.h"

using namespace reviewkd::recording;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
  int math_mode = 0, pointer_mode = 0;
};

constexpr int kExecutionFailed = 13;

int record(const char* name, cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  return submit_for_library(stream, Work{"cublas", "kernel", name, 0, {0, 0, 0}, {0, 0, 0}, {}}) ? 0 : kExecutionFailed;
}

/// cublasLtMatmulHeuristicResult_t
struct HeuristicResult {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

/// For descriptors, which are never read.
int create_descriptor(void** descriptor) {
  *descriptor = new char;
  return 0;
}

int destroy_descriptor(void* descriptor) {
  delete static_cast<char*>(descriptor);
  return 0;
}

}  // namespace

extern "C" {

int reviewkd_recording_blas(const char* name, void* handle) {
  return record(name, static_cast<Handle*>(handle)->stream);
}

int cublasCreate_v2(void** handle) {
  *handle = new Handle();
  return 0;
}

int cublasDestroy_v2(void* handle) {
  delete static_cast<Handle*>(handle);
  return 0;
}

int cublasSetStream_v2(void* handle, cudaStream_t stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return 0;
}

int cublasSetWorkspace_v2(void*, void*, size_t) { return 0; }
int cublasSetSmCountTarget(void*, int) { return 0; }

int cublasSetMathMode(void* handle, int mode) {
  static_cast<Handle*>(handle)->math_mode = mode;
  return 0;
}

int cublasGetMathMode(void* handle, int* mode) {
  *mode = static_cast<Handle*>(handle)->math_mode;
  return 0;
}

int cublasSetPointerMode_v2(void* handle, int mode) {
  static_cast<Handle*>(handle)->pointer_mode = mode;
  return 0;
}

int cublasGetPointerMode_v2(void* handle, int* mode) {
  *mode = static_cast<Handle*>(handle)->pointer_mode;
  return 0;
}

size_t cublasLtGetVersion() { return 130100; }
int cublasLtMatmulDescCreate(void** descriptor, int, int) { return create_descriptor(descriptor); }
int cublasLtMatmulDescDestroy(void* descriptor) { return destroy_descriptor(descriptor); }
int cublasLtMatmulDescSetAttribute(void*, int, const void*, size_t) { return 0; }
int cublasLtMatmulPreferenceCreate(void** descriptor) { return create_descriptor(descriptor); }
int cublasLtMatmulPreferenceDestroy(void* descriptor) { return destroy_descriptor(descriptor); }
int cublasLtMatmulPreferenceSetAttribute(void*, int, const void*, size_t) { return 0; }
int cublasLtMatrixLayoutCreate(void** descriptor, int, uint64_t, uint64_t, int64_t) {
  return create_descriptor(descriptor);
}
int cublasLtMatrixLayoutDestroy(void* descriptor) { return destroy_descriptor(descriptor); }
int cublasLtMatrixLayoutSetAttribute(void*, int, const void*, size_t) { return 0; }

int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int requested,
                                   HeuristicResult* results, int* count) {
  *count = requested > 0 ? 1 : 0;
  if (requested > 0) std::memset(results, 0, sizeof *results);
  return 0;
}

int cublasLtMatmul(void*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*, void*,
                   void*, void*, const void*, void*, size_t, cudaStream_t stream) {
  return record("cublasLtMatmul", stream);
}

}  // extern "C"
