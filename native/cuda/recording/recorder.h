#pragma once
// Recorded calls as lines of JSON, injected failures, and the lock that guards the whole recording runtime.

#include <driver_types.h>

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>

namespace reviewkd::recording {

/// Settings, from the environment.
struct Options {
  /// The file to which lines of JSON are appended; empty: nothing is written.
  std::string file;
  /// Bytes of device memory.
  size_t memory = size_t{80} << 30;
  /// The plugin's kernels with more blocks are recorded but not run on the host.
  uint64_t max_blocks = UINT64_MAX;

  static const Options& get();
};

/// Held by every entry point, so that calls of several threads are recorded in one order.
std::recursive_mutex& runtime_mutex();
using RuntimeLock = std::lock_guard<std::recursive_mutex>;

/// A line of the recording, written on destruction.
class Line {
 public:
  explicit Line(std::string_view call);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Line& number(std::string_view key, int64_t value);
  Line& text(std::string_view key, std::string_view value);
  Line& numbers(std::string_view key, std::initializer_list<int64_t> values);
  /// Adds nothing for cudaSuccess.
  Line& error(cudaError_t error);

 private:
  bool enabled_;
  std::string text_;
};

/// Stores an error as the thread's last one, and returns it.
cudaError_t returned(cudaError_t error);

/// The error that REVIEWKD_RECORDING_FAIL or `fail_next` specifies for this invocation of `call`, otherwise
/// cudaSuccess. Calls are specified as `NAME:N[:ERROR]`, separated by commas: the N-th invocation from now on fails.
/// `NAME@capture` counts only invocations on a capturing stream.
cudaError_t injected_failure(std::string_view call, bool is_capturing);
void fail_next(std::string_view failures);

/// A unique number for streams, graphs and captures in the recording.
int64_t next_id();

}  // namespace reviewkd::recording
