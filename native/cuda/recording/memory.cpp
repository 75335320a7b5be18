#include "cuda/recording/memory.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "cuda/recording/recorder.h"
#include "cuda/recording/streams.h"

namespace reviewkd::recording {
namespace {

std::map<uintptr_t, Region>& regions() {
  static std::map<uintptr_t, Region> map;
  return map;
}

size_t used[3] = {0, 0, 0};
size_t peak = 0;

size_t& used_of(Place place) { return used[static_cast<int>(place)]; }

/// Zeroed memory that takes no physical pages before it is written to.
void* allocate(size_t bytes, Place place) {
  void* memory = mmap(nullptr, std::max<size_t>(bytes, 1), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  regions()[begin] = Region{begin, bytes, place};
  used_of(place) += bytes;
  peak = std::max(peak, used_of(Place::kDevice));
  return memory;
}

bool release(void* memory, Place place) {
  const auto found = regions().find(reinterpret_cast<uintptr_t>(memory));
  if (found == regions().end() || found->second.place != place) return false;
  used_of(place) -= found->second.bytes;
  munmap(memory, std::max<size_t>(found->second.bytes, 1));
  regions().erase(found);
  return true;
}

const char* letter(Place place) { return place == Place::kDevice ? "D" : "H"; }

std::string direction(const void* to, const void* from) {
  return std::string(letter(region_of(from).place)) + "to" + letter(region_of(to).place);
}

cudaError_t copy(const char* call, void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  // Memory that is not page-locked must be read or written before the call returns.
  const bool is_pageable = region_of(to).place == Place::kPageable || region_of(from).place == Place::kPageable;
  const std::string name = direction(to, from) + (is_pageable ? " pageable" : "");
  return submit(stream, Work{call, "copy", name, static_cast<int64_t>(bytes), {0, 0, 0}, {0, 0, 0}, [=] {
                               std::memmove(to, from, bytes);
                             }});
}

cudaError_t set(const char* call, void* memory, int value, size_t bytes, cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  return submit(stream, Work{call, "memset", "memset", static_cast<int64_t>(bytes), {0, 0, 0}, {0, 0, 0}, [=] {
                               std::memset(memory, value, bytes);
                             }});
}

cudaError_t unsafe(const char* call) {
  const cudaError_t error = injected_failure(call, false);
  return error != cudaSuccess ? error : check_unsafe_call(call);
}

}  // namespace

Region region_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto after = regions().upper_bound(address);
  if (after == regions().begin()) return {};
  const Region& region = (--after)->second;
  return address < region.begin + region.bytes ? region : Region{};
}

size_t device_memory_used() { return used_of(Place::kDevice); }
size_t device_memory_peak() { return peak; }
size_t pinned_memory_used() { return used_of(Place::kPinned); }

}  // namespace reviewkd::recording

using namespace reviewkd::recording;

extern "C" {

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const RuntimeLock lock(runtime_mutex());
  cudaError_t error = unsafe("cudaMalloc");
  if (error == cudaSuccess && device_memory_used() + bytes > Options::get().memory) error = cudaErrorMemoryAllocation;
  if (error == cudaSuccess && (*memory = allocate(bytes, Place::kDevice)) == nullptr) error = cudaErrorMemoryAllocation;
  Line("cudaMalloc")
      .text("kind", "memory")
      .number("bytes", static_cast<int64_t>(bytes))
      .number("used", static_cast<int64_t>(device_memory_used()))
      .error(error);
  return returned(error);
}

cudaError_t cudaFree(void* memory) {
  const RuntimeLock lock(runtime_mutex());
  if (memory == nullptr) return cudaSuccess;
  cudaError_t error = unsafe("cudaFree");
  if (error == cudaSuccess && !release(memory, Place::kDevice)) error = cudaErrorInvalidValue;
  Line("cudaFree").text("kind", "memory").number("used", static_cast<int64_t>(device_memory_used())).error(error);
  return returned(error);
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  const RuntimeLock lock(runtime_mutex());
  cudaError_t error = unsafe("cudaHostAlloc");
  if (error == cudaSuccess && (*memory = allocate(bytes, Place::kPinned)) == nullptr) error = cudaErrorMemoryAllocation;
  Line("cudaHostAlloc").text("kind", "memory").number("bytes", static_cast<int64_t>(bytes)).error(error);
  return returned(error);
}

cudaError_t cudaFreeHost(void* memory) {
  const RuntimeLock lock(runtime_mutex());
  cudaError_t error = unsafe("cudaFreeHost");
  if (error == cudaSuccess && !release(memory, Place::kPinned)) error = cudaErrorInvalidValue;
  Line("cudaFreeHost").text("kind", "memory").error(error);
  return returned(error);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const RuntimeLock lock(runtime_mutex());
  *total = Options::get().memory;
  *free = *total - device_memory_used();
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const RuntimeLock lock(runtime_mutex());
  *attributes = {};
  const Region region = region_of(pointer);
  attributes->type = region.place == Place::kDevice   ? cudaMemoryTypeDevice
                     : region.place == Place::kPinned ? cudaMemoryTypeHost
                                                      : cudaMemoryTypeUnregistered;
  attributes->device = region.place == Place::kPageable ? cudaInvalidDeviceId : 0;
  attributes->hostPointer = region.place == Place::kDevice ? nullptr : const_cast<void*>(pointer);
  attributes->devicePointer = region.place == Place::kPageable ? nullptr : const_cast<void*>(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return copy("cudaMemcpyAsync", to, from, bytes, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  const RuntimeLock lock(runtime_mutex());
  const cudaError_t error = check_unsafe_call("cudaMemcpy");
  return error != cudaSuccess ? returned(error) : copy("cudaMemcpy", to, from, bytes, nullptr);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return copy("cudaMemcpyPeerAsync", to, from, bytes, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind, cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  return submit(stream, Work{"cudaMemcpy2DAsync",
                             "copy",
                             direction(to, from),
                             static_cast<int64_t>(width * height),
                             {0, 0, 0},
                             {0, 0, 0},
                             [=] {
                               for (size_t row = 0; row < height; ++row) {
                                 std::memmove(static_cast<char*>(to) + row * to_pitch,
                                              static_cast<const char*>(from) + row * from_pitch, width);
                               }
                             }});
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return set("cudaMemsetAsync", memory, value, bytes, stream);
}

cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  const RuntimeLock lock(runtime_mutex());
  const cudaError_t error = check_unsafe_call("cudaMemset");
  return error != cudaSuccess ? returned(error) : set("cudaMemset", memory, value, bytes, nullptr);
}

}  // extern "C"
