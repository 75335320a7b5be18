// Registration and launches of kernels. Kernels of libtorch are not computed, except those of host_kernels.h; the
// plugin's run on the host if it provides them.

#include <cuda_runtime_api.h>
#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "cuda/recording/host_kernels.h"
#include "cuda/recording/streams.h"

namespace reviewkd::recording {
namespace {

struct Kernel {
  const char* mangled = "";
  std::string name;  // demangled when it is first launched
};

std::unordered_map<const void*, Kernel>& kernels() {
  static auto& map = *new std::unordered_map<const void*, Kernel>();
  return map;
}

struct Variable {
  size_t bytes;
  void* memory = nullptr;
};

std::unordered_map<const void*, Variable>& variables() {
  static auto& map = *new std::unordered_map<const void*, Variable>();
  return map;
}

std::string demangled(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(mangled, nullptr, nullptr, &status),
                                                    &std::free);
  return status == 0 ? text.get() : mangled;
}

const std::string& name_of(const void* function) {
  Kernel& kernel = kernels()[function];
  if (kernel.name.empty()) kernel.name = *kernel.mangled == '\0' ? "unregistered kernel" : demangled(kernel.mangled);
  return kernel.name;
}

cudaError_t launch(const char* call, const void* function, dim3 grid, dim3 block, void** parameters,
                   cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  const std::string& name = name_of(function);
  return submit(stream, Work{call, "kernel", name, 0, grid, block, host_execution(name, grid, parameters)});
}

struct CallConfiguration {
  dim3 grid, block;
  size_t shared = 0;
  cudaStream_t stream = nullptr;
};
thread_local CallConfiguration pushed;

}  // namespace
}  // namespace reviewkd::recording

using namespace reviewkd::recording;

extern "C" {

/// For the plugin's kernels: records the launch, and calls run(parameters) whenever the work is executed. Copies
/// `parameters`.
cudaError_t reviewkd_recording_launch(const char* mangled, void* stream, unsigned blocks, unsigned threads,
                                      void (*run)(const void*), const void* parameters, size_t bytes) {
  const RuntimeLock lock(runtime_mutex());
  const std::shared_ptr<void> copy(std::aligned_alloc(64, (bytes + 63) / 64 * 64), &std::free);
  std::memcpy(copy.get(), parameters, bytes);
  Work work{"cudaLaunchKernel", "kernel", demangled(mangled), 0, dim3{blocks, 1, 1}, dim3{threads, 1, 1}, {}};
  if (blocks <= Options::get().max_blocks) work.execute = [=] { run(copy.get()); };
  const cudaError_t error = submit(static_cast<cudaStream_t>(stream), std::move(work));
  // The caller receives the error; none is left behind, as after cudaGetLastError.
  cudaGetLastError();
  return error;
}

void** __cudaRegisterFatBinary(void* binary) { return new void*(binary); }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void** handle) { delete handle; }
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
  const RuntimeLock lock(runtime_mutex());
  kernels()[function].mangled = name;
}

void __cudaRegisterVar(void**, char* variable, char*, const char*, int, size_t bytes, int, int) {
  const RuntimeLock lock(runtime_mutex());
  variables()[variable] = Variable{bytes};
}

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  const RuntimeLock lock(runtime_mutex());
  const auto found = variables().find(symbol);
  if (found == variables().end()) return returned(cudaErrorInvalidSymbol);
  Variable& variable = found->second;
  if (variable.memory == nullptr) variable.memory = std::calloc(1, variable.bytes);
  *address = variable.memory;
  return cudaSuccess;
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset, cudaMemcpyKind) {
  void* address = nullptr;
  const cudaError_t error = cudaGetSymbolAddress(&address, symbol);
  if (error == cudaSuccess) std::memcpy(static_cast<char*>(address) + offset, from, bytes);
  return error;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, CUstream_st* stream) {
  pushed = {grid, block, shared, stream};
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  *grid = pushed.grid;
  *block = pushed.block;
  *shared = pushed.shared;
  *static_cast<cudaStream_t*>(stream) = pushed.stream;
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** parameters, size_t,
                               cudaStream_t stream) {
  return launch("cudaLaunchKernel", kernel, grid, block, parameters, stream);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** parameters, size_t,
                             cudaStream_t stream) {
  return launch("cudaLaunchKernel", function, grid, block, parameters, stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** parameters, size_t,
                                        cudaStream_t stream) {
  return launch("cudaLaunchCooperativeKernel", function, grid, block, parameters, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** parameters) {
  return launch("cudaLaunchKernelExC", function, config->gridDim, config->blockDim, parameters, config->stream);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = 90;
  attributes->maxDynamicSharedSizeBytes = 48 << 10;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int threads, size_t,
                                                                   unsigned) {
  *blocks = threads > 0 ? 2048 / threads : 1;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared, 0);
}

}  // extern "C"
