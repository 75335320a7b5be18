// The runtime's side of control.cpp.

#include <cstdint>

#include "cuda/recording/memory.h"
#include "cuda/recording/streams.h"

using namespace reviewkd::recording;

extern "C" {

void reviewkd_recording_mark(const char* text) { Line("mark").text("name", text); }

void reviewkd_recording_fail_next(const char* list) { fail_next(list); }

void reviewkd_recording_state(void (*visit)(void*, const char*, int64_t), void* target) {
  const RuntimeLock lock(runtime_mutex());
  visit(target, "deviceBytes", static_cast<int64_t>(device_memory_used()));
  visit(target, "deviceBytesPeak", static_cast<int64_t>(device_memory_peak()));
  visit(target, "pinnedBytes", static_cast<int64_t>(pinned_memory_used()));
  visit(target, "streams", live().streams);
  visit(target, "events", live().events);
  visit(target, "graphs", live().graphs);
  visit(target, "graphExecs", live().graph_execs);
  visit(target, "captures", live().captures);
}

}  // extern "C"
