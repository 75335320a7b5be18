#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "core/platform/file.h"
#include "core/platform/system.h"

namespace reviewkd::platform {
namespace {

/// The largest size that one call accepts on every system.
constexpr uint64_t kLargestPiece = uint64_t{1} << 30;

std::error_code last_error() { return {errno, std::generic_category()}; }

std::error_code answer(int result) { return result == 0 ? std::error_code() : last_error(); }

int flags_of(Access access) {
  switch (access) {
    // Without O_NONBLOCK, opening a pipe would block silently.
    case Access::kRead: return O_RDONLY | O_NONBLOCK;
    case Access::kReplace: return O_RDWR | O_CREAT | O_TRUNC;
    case Access::kShare: return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

int to_disk(int descriptor) {
#ifdef F_FULLFSYNC
  // On macOS, fsync(2) does not flush the disk's own cache. Not every file system supports F_FULLFSYNC.
  if (::fcntl(descriptor, F_FULLFSYNC) == 0) return 0;
#endif
  return ::fsync(descriptor);
}

std::error_code refusal_of_kind(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return last_error();
  if (S_ISREG(status.st_mode)) return {};
  return std::make_error_code(S_ISDIR(status.st_mode) ? std::errc::is_a_directory : std::errc::invalid_argument);
}

}  // namespace

std::error_code File::open(const std::string& path, Access access) {
  handle_ = ::open(path.c_str(), flags_of(access) | O_CLOEXEC, 0644);
  if (!is_open()) return last_error();
  if (access != Access::kRead) return {};
  const std::error_code refusal = refusal_of_kind(static_cast<int>(handle_));
  if (refusal) static_cast<void>(close());
  return refusal;
}

std::error_code File::size(uint64_t& bytes) const {
  struct stat status{};
  if (::fstat(static_cast<int>(handle_), &status) != 0) return last_error();
  bytes = static_cast<uint64_t>(status.st_size);
  return {};
}

std::error_code File::read(uint64_t offset, void* target, uint64_t bytes, uint64_t& count) const {
  count = 0;
  while (count < bytes) {
    const ssize_t got = ::pread(static_cast<int>(handle_), static_cast<char*>(target) + count,
                                std::min(bytes - count, kLargestPiece), static_cast<off_t>(offset + count));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error();
    if (got == 0) break;
    count += static_cast<uint64_t>(got);
  }
  return {};
}

std::error_code File::write(uint64_t offset, const void* data, uint64_t bytes) {
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t written = ::pwrite(static_cast<int>(handle_), static_cast<const char*>(data) + done,
                                     std::min(bytes - done, kLargestPiece), static_cast<off_t>(offset + done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return last_error();
    if (written == 0) return std::make_error_code(std::errc::io_error);
    done += static_cast<uint64_t>(written);
  }
  return {};
}

std::error_code File::clear() { return answer(::ftruncate(static_cast<int>(handle_), 0)); }

void File::begin_flush([[maybe_unused]] uint64_t offset, [[maybe_unused]] uint64_t bytes) {
#ifdef __linux__
  ::sync_file_range(static_cast<int>(handle_), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                    SYNC_FILE_RANGE_WRITE);
#endif
}

std::error_code File::flush() { return answer(to_disk(static_cast<int>(handle_))); }

std::error_code File::close() { return answer(::close(static_cast<int>(std::exchange(handle_, kNone)))); }

LockResult File::try_lock() {
  int result = 0;
  do {
    result = ::flock(static_cast<int>(handle_), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return LockResult::kTaken;
  return errno == EWOULDBLOCK ? LockResult::kHeldElsewhere : LockResult::kUnsupported;
}

bool File::is_named(const std::string& path) const {
  struct stat held{}, named{};
  return ::fstat(static_cast<int>(handle_), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

std::error_code replace(const std::string& from, const std::string& to) {
  return answer(::rename(from.c_str(), to.c_str()));
}

std::error_code link(const std::string& path, const std::string& second) {
  return answer(::link(path.c_str(), second.c_str()));
}

void remove(const std::string& path) { ::unlink(path.c_str()); }

// The names, too, are durable only once the directory is on disk.
std::error_code flush_directory_of(const std::string& path) {
  const auto parent = path_of(path).parent_path();
  const int handle = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return last_error();
  const std::error_code result = answer(to_disk(handle));
  ::close(handle);
  // Error codes of file systems that cannot flush a directory.
  for (const int refusal : {EINVAL, ENOTSUP, ENOSYS}) {
    if (result.value() == refusal) return {};
  }
  return result;
}

}  // namespace reviewkd::platform
