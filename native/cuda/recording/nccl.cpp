// NCCL for a group of one process: its operations copy what the process sends to what it receives, and are recorded as
// kernels of their name. Functions that are not defined here come from generated.cpp. Types declare only the fields that
// are read.

#include <driver_types.h>

#include <cstring>

#include "cuda/recording/streams.h"

using namespace reviewkd::recording;

namespace {

/// ncclResult_t
constexpr int kSuccess = 0, kUnhandledCudaError = 1, kInvalidUsage = 5, kRemoteError = 6;
/// ncclDataType_t: int8, uint8, int32, uint32, int64, uint64, float16, float32, float64, bfloat16, two of a byte.
constexpr size_t kBytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};

struct UniqueId {
  char internal[128];
};

struct Communicator {
  bool has_failed = false;
};

int initialize(Communicator** communicator, int processes) {
  if (processes != 1) return kInvalidUsage;
  const RuntimeLock lock(runtime_mutex());
  Line("ncclCommInit");
  *communicator = new Communicator();
  return kSuccess;
}

int release(const char* call, Communicator* communicator) {
  const RuntimeLock lock(runtime_mutex());
  Line line(call);
  delete communicator;
  return kSuccess;
}

int copy(const char* name, const void* from, void* to, size_t count, int type, cudaStream_t stream) {
  const RuntimeLock lock(runtime_mutex());
  const size_t bytes = count * kBytes[type];
  const bool is_done =
      submit_for_library(stream, Work{"nccl", "kernel", name, static_cast<int64_t>(bytes), {0, 0, 0}, {0, 0, 0}, [=] {
                                        std::memmove(to, from, bytes);
                                      }});
  return is_done ? kSuccess : kUnhandledCudaError;
}

}  // namespace

extern "C" {

int ncclGetVersion(int* version) {
  *version = 23007;
  return kSuccess;
}

const char* ncclGetErrorString(int) { return "a failure of the recording CUDA runtime"; }
const char* ncclGetLastError(void*) { return ""; }

int ncclGetUniqueId(UniqueId* id) {
  std::memset(id, 0, sizeof *id);
  return kSuccess;
}

int ncclCommInitRankConfig(Communicator** communicator, int processes, UniqueId, int, void*) {
  return initialize(communicator, processes);
}

int ncclCommAbort(Communicator* communicator) { return release("ncclCommAbort", communicator); }
int ncclCommDestroy(Communicator* communicator) { return release("ncclCommDestroy", communicator); }
int ncclCommFinalize(Communicator*) { return kSuccess; }

int ncclCommGetAsyncError(Communicator* communicator, int* error) {
  const RuntimeLock lock(runtime_mutex());
  if (injected_failure("ncclCommGetAsyncError", false) != cudaSuccess) communicator->has_failed = true;
  *error = communicator->has_failed ? kRemoteError : kSuccess;
  return kSuccess;
}

int ncclGroupStart() { return kSuccess; }
int ncclGroupEnd() { return kSuccess; }

int ncclAllGather(const void* from, void* to, size_t count, int type, Communicator*, cudaStream_t stream) {
  return copy("ncclAllGather", from, to, count, type, stream);
}

int ncclAlltoAll(const void* from, void* to, size_t count, int type, Communicator*, cudaStream_t stream) {
  return copy("ncclAlltoAll", from, to, count, type, stream);
}

int ncclBroadcast(const void* from, void* to, size_t count, int type, int, Communicator*, cudaStream_t stream) {
  return copy("ncclBroadcast", from, to, count, type, stream);
}

int ncclBcast(void* values, size_t count, int type, int, Communicator*, cudaStream_t stream) {
  return copy("ncclBcast", values, values, count, type, stream);
}

}  // extern "C"
