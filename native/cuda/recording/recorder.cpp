#include "cuda/recording/recorder.h"

#include <cuda_runtime_api.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace reviewkd::recording {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct Failure {
  std::string call;
  int64_t remaining;
  cudaError_t error;
};

std::vector<Failure>& failures() {
  static std::vector<Failure> list;
  return list;
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::FILE* output() {
  static std::FILE* file = Options::get().file.empty() ? nullptr : std::fopen(Options::get().file.c_str(), "ae");
  return file;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result;
}

void parse_failures(std::string_view text) {
  while (!text.empty()) {
    const std::string entry(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(text.size(), entry.size() + 1));
    const size_t colon = entry.find(':');
    const size_t second = colon == std::string::npos ? colon : entry.find(':', colon + 1);
    Failure failure{entry.substr(0, colon), 1, cudaErrorUnknown};
    if (failure.call == "cudaMalloc") failure.error = cudaErrorMemoryAllocation;
    if (colon != std::string::npos) failure.remaining = std::atoll(entry.c_str() + colon + 1);
    if (second != std::string::npos) failure.error = static_cast<cudaError_t>(std::atoi(entry.c_str() + second + 1));
    failures().push_back(failure);
  }
}

}  // namespace

const Options& Options::get() {
  static const Options options = [] {
    Options result;
    // @env REVIEWKD_RECORDING_FILE tests: The file to which the recording CUDA runtime appends its calls. Default:
    // none.
    // @env REVIEWKD_RECORDING_MEMORY tests: Bytes of the recorded device's memory. Default: 80 GiB.
    // @env REVIEWKD_RECORDING_MAX_BLOCKS tests: Kernels of the plugin with more blocks are not run on the host. Default: all are run.
    result.file = variable("REVIEWKD_RECORDING_FILE");
    if (*variable("REVIEWKD_RECORDING_MEMORY") != '\0')
      result.memory = std::strtoull(variable("REVIEWKD_RECORDING_MEMORY"), nullptr, 10);
    if (*variable("REVIEWKD_RECORDING_MAX_BLOCKS") != '\0')
      result.max_blocks = std::strtoull(variable("REVIEWKD_RECORDING_MAX_BLOCKS"), nullptr, 10);
    return result;
  }();
  return options;
}

std::recursive_mutex& runtime_mutex() {
  static std::recursive_mutex& mutex =
      *new std::recursive_mutex();  // outlives the threads that still run at process exit
  return mutex;
}

Line::Line(std::string_view call) : enabled_(output() != nullptr) {
  if (!enabled_) return;
  text_ = "{\"call\":\"" + escaped(call) + "\"";
  number("thread", syscall(SYS_gettid));
}

Line::~Line() {
  if (!enabled_) return;
  text_ += "}\n";
  const RuntimeLock lock(runtime_mutex());
  std::fwrite(text_.data(), 1, text_.size(), output());
  // The calls of a killed process stay in the recording.
  std::fflush(output());
}

Line& Line::number(std::string_view key, int64_t value) {
  if (enabled_) text_ += ",\"" + std::string(key) + "\":" + std::to_string(value);
  return *this;
}

Line& Line::text(std::string_view key, std::string_view value) {
  if (enabled_) text_ += ",\"" + std::string(key) + "\":\"" + escaped(value) + "\"";
  return *this;
}

Line& Line::numbers(std::string_view key, std::initializer_list<int64_t> values) {
  if (!enabled_) return *this;
  std::string list;
  for (const int64_t value : values) list += (list.empty() ? "" : ",") + std::to_string(value);
  text_ += ",\"" + std::string(key) + "\":[" + list + "]";
  return *this;
}

Line& Line::error(cudaError_t error) { return error == cudaSuccess ? *this : text("error", cudaGetErrorName(error)); }

cudaError_t returned(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t injected_failure(std::string_view call, bool is_capturing) {
  // @env REVIEWKD_RECORDING_FAIL tests: Calls that fail, such as `cudaMalloc:3,cudaStreamEndCapture:1:900`: the name,
  // the call that fails, the error. Default: none.
  static const bool parsed = (parse_failures(variable("REVIEWKD_RECORDING_FAIL")), true);
  static_cast<void>(parsed);
  for (Failure& failure : failures()) {
    const bool names_it = failure.call == call || (is_capturing && failure.call == std::string(call) + "@capture");
    if (!names_it || failure.remaining <= 0 || --failure.remaining > 0) continue;
    Line("injected").text("failure", failure.call).error(failure.error);
    return failure.error;
  }
  return cudaSuccess;
}

void fail_next(std::string_view list) {
  const RuntimeLock lock(runtime_mutex());
  injected_failure("", false);  // the environment's failures come first
  parse_failures(list);
}

int64_t next_id() {
  static int64_t id = 0;
  return ++id;
}

}  // namespace reviewkd::recording

using reviewkd::recording::last_error;

extern "C" {

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return last_error; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotSupported: return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureMerge: return "cudaErrorStreamCaptureMerge";
    case cudaErrorStreamCaptureUnmatched: return "cudaErrorStreamCaptureUnmatched";
    case cudaErrorStreamCaptureUnjoined: return "cudaErrorStreamCaptureUnjoined";
    case cudaErrorStreamCaptureIsolation: return "cudaErrorStreamCaptureIsolation";
    case cudaErrorStreamCaptureImplicit: return "cudaErrorStreamCaptureImplicit";
    case cudaErrorStreamCaptureWrongThread: return "cudaErrorStreamCaptureWrongThread";
    case cudaErrorCapturedEvent: return "cudaErrorCapturedEvent";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    default: return "cudaErrorUnknown";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnjoined: return "capture has unjoined work";
    case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work in another stream";
    case cudaErrorStreamCaptureImplicit:
      return "operation would make the legacy stream depend on a capturing blocking stream";
    case cudaErrorCapturedEvent: return "operation not permitted on an event last recorded in a capturing stream";
    default: return cudaGetErrorName(error);
  }
}

}  // extern "C"
