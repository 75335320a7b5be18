#pragma once
// Files with random access that can be locked, replaced and flushed to disk.

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace reviewkd::platform {

enum class Access {
  kRead,     // an existing regular file: no directory, no pipe
  kReplace,  // created or truncated; also readable
  kShare,    // created if missing, otherwise left as is; also readable
};

enum class LockResult { kTaken, kHeldElsewhere, kUnsupported };

/// An open file that child processes do not inherit and that others may read, write, replace and remove meanwhile.
/// Calls return the system's error code; a default error code is success.
class File {
 public:
  File() = default;
  File(File&& other) noexcept : handle_(std::exchange(other.handle_, kNone)) {}
  File& operator=(File&& other) noexcept {
    if (is_open()) static_cast<void>(close());
    handle_ = std::exchange(other.handle_, kNone);
    return *this;
  }
  ~File() {
    if (is_open()) static_cast<void>(close());
  }

  [[nodiscard]] std::error_code open(const std::string& path, Access access);
  bool is_open() const { return handle_ != kNone; }

  [[nodiscard]] std::error_code size(uint64_t& bytes) const;

  /// `count`: the number of bytes read from `offset` on; less than `bytes` only at the end of the file.
  [[nodiscard]] std::error_code read(uint64_t offset, void* target, uint64_t bytes, uint64_t& count) const;

  /// Writes all bytes or returns an error.
  [[nodiscard]] std::error_code write(uint64_t offset, const void* data, uint64_t bytes);

  /// Truncates the file.
  [[nodiscard]] std::error_code clear();

  /// Hints that the disk may start writing these bytes. `flush` reports the outcome.
  void begin_flush(uint64_t offset, uint64_t bytes);

  /// Waits until everything is on disk.
  [[nodiscard]] std::error_code flush();

  /// Closes the file, even if an error is returned.
  [[nodiscard]] std::error_code close();

  /// Tries to acquire the file's exclusive lock, in this process or another, without waiting. The system releases it
  /// when the file is closed, however the process ends. The file remains readable by everyone.
  LockResult try_lock();

  /// Whether the path still names this file.
  bool is_named(const std::string& path) const;

 private:
  static constexpr intptr_t kNone = -1;
  intptr_t handle_ = kNone;
};

/// Renames a file, replacing any existing target; at each moment the target name has one of the two, whole.
[[nodiscard]] std::error_code replace(const std::string& from, const std::string& to);

/// Gives a file a second name. Not every file system supports this.
[[nodiscard]] std::error_code link(const std::string& path, const std::string& second);

/// Removes a file if it exists.
void remove(const std::string& path);

/// Waits until the names in the directory of `path` are on disk.
[[nodiscard]] std::error_code flush_directory_of(const std::string& path);

}  // namespace reviewkd::platform
