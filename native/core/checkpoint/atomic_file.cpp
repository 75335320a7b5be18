#include "core/checkpoint/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace reviewkd {
namespace {

// A name of its own for each process; two writers of one path in one process are the caller's to keep apart. Whoever resumes a run
// knows leftovers by this form (lib/directory-files.ts).
std::string temporary_name(const std::string& path) { return path + ".tmp-" + std::to_string(getpid()); }

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_writing("to create a file");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  write_here(data, bytes);
  written_ += bytes;
#ifdef __linux__
  // The disk begins while the rest is prepared, and `commit` waits less. A hint: what comes of it, fsync tells.
  constexpr size_t kFlushStep = size_t{8} << 20;
  if (written_ - flushed_ < kFlushStep) return;
  ::sync_file_range(descriptor_, static_cast<off_t>(flushed_), static_cast<off_t>(written_ - flushed_), SYNC_FILE_RANGE_WRITE);
  flushed_ = written_;
#endif
}

void AtomicFile::write_here(const void* data, size_t bytes) {
  constexpr size_t kLargestWrite = size_t{1} << 30;
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, next, std::min(bytes, kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_writing("to write");
    next += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::overwrite(size_t offset, const void* data, size_t bytes) {
  if (::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) fail_writing("to write");
  write_here(data, bytes);
  if (::lseek(descriptor_, 0, SEEK_END) < 0) fail_writing("to write");
}

void AtomicFile::commit(const std::string& keep_as) {
  if (::fsync(descriptor_) != 0) fail_writing("to flush to the disk");
  const int descriptor = std::exchange(descriptor_, -1);
  try {
    if (::close(descriptor) != 0) fail_writing("to close a file");
    if (!keep_as.empty()) keep_former(keep_as);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_writing("to rename a file into place");
  } catch (...) {
    ::unlink(temporary_.c_str());
    throw;
  }
  flush_directory();
}

void AtomicFile::keep_former(const std::string& name) const {
  const std::string linked = temporary_name(name);
  ::unlink(linked.c_str());
  int result = ::link(path_.c_str(), linked.c_str());
  if (result == 0) {
    result = ::rename(linked.c_str(), name.c_str());
    const int reason = errno;
    ::unlink(linked.c_str());  // rename(2) leaves it where both names are of one file already: after an attempt that failed later on
    errno = reason;
  } else if (errno != ENOENT) {
    // Not every file system has links. For a moment the former file is then to be found under the other name alone.
    result = ::rename(path_.c_str(), name.c_str());
  }
  if (result != 0 && errno != ENOENT) fail_writing("to keep the former file");  // or there is none
}

// The renames themselves last only once the directory is on the disk.
void AtomicFile::flush_directory() const {
  const auto parent = std::filesystem::path(path_).parent_path();
  const int handle = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) fail_writing("to open the directory, so as to flush it");
  const int result = ::fsync(handle);
  const int reason = errno;
  ::close(handle);
  // A file system that cannot flush a directory says so by one of these.
  if (result == 0 || reason == EINVAL || reason == ENOTSUP || reason == ENOSYS) return;
  errno = reason;
  fail_writing("to flush the directory");
}

void AtomicFile::fail_writing(const char* what) const {
  fail(ErrorCode::kFileAccess, "expected ", what, " at ", path_, ", got: ", std::strerror(errno));
}

}  // namespace reviewkd
