#pragma once
// Files that are read and written at any place, locked, replaced and flushed to the disk.

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace reviewkd::platform {

enum class Access {
  kRead,     // a regular file, as it is: no directory, no pipe
  kReplace,  // made, or emptied; it can be read as well
  kShare,    // made where there is none, otherwise left as it is; it can be read as well
};

enum class LockResult { kTaken, kHeldElsewhere, kUnsupported };

/// An open file, which no child process inherits and which others may read, write, replace and remove meanwhile. Calls return what the system
/// answered; a default error code is success.
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

  /// `count`: how many of `bytes` bytes there were from `offset` on; less than all only at the end of the file.
  [[nodiscard]] std::error_code read(uint64_t offset, void* target, uint64_t bytes, uint64_t& count) const;

  /// All of them, or an error.
  [[nodiscard]] std::error_code write(uint64_t offset, const void* data, uint64_t bytes);

  /// Empties it.
  [[nodiscard]] std::error_code clear();

  /// Lets the disk begin with bytes that were written. A hint: what comes of it, `flush` tells.
  void begin_flush(uint64_t offset, uint64_t bytes);

  /// Waits until everything is on the disk.
  [[nodiscard]] std::error_code flush();

  /// Closed in any case.
  [[nodiscard]] std::error_code close();

  /// Takes the right to the file that one holder has at a time, in this process or another, without waiting. The system takes it back when the
  /// file is closed, however the process ends. What stands in the file can be read by everybody all the same.
  LockResult try_lock();

  /// Whether the path still names this file.
  bool is_named(const std::string& path) const;

 private:
  static constexpr intptr_t kNone = -1;
  intptr_t handle_ = kNone;
};

/// Gives a file another name, in place of what has that name; at each moment the name has one of the two, whole.
[[nodiscard]] std::error_code replace(const std::string& from, const std::string& to);

/// Gives a file a second name. Not every file system can.
[[nodiscard]] std::error_code link(const std::string& path, const std::string& second);

/// Removes a file that may be there.
void remove(const std::string& path);

/// Waits until the names in the directory of `path` are on the disk.
[[nodiscard]] std::error_code flush_directory_of(const std::string& path);

}  // namespace reviewkd::platform
