#include "core/checkpoint/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace reviewkd {
namespace {

[[noreturn]] void fail_locking(const std::string& path) {
  fail(ErrorCode::kFileAccess, "expected to write a lock at ", path, ", got: ", std::strerror(errno));
}

}  // namespace

std::shared_ptr<FileLock> FileLock::try_lock(const std::string& path) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) fail_locking(path);
    const std::shared_ptr<FileLock> lock(new FileLock(path, descriptor));
    int result = 0;
    do {
      result = ::flock(descriptor, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EWOULDBLOCK) return nullptr;
    lock->supported_ = result == 0;
    // Its last holder may have removed the file between the two calls: then nobody else would find this lock.
    if (lock->intact()) return lock;
  }
}

FileLock::~FileLock() {
  // Removed while it is held, so that only the own file can go.
  if (written_ && intact()) ::unlink(path_.c_str());
  ::close(descriptor_);
}

void FileLock::write(const std::string& text) {
  written_ = true;
  if (::ftruncate(descriptor_, 0) != 0) fail_locking(path_);
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = ::pwrite(descriptor_, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_locking(path_);
    done += static_cast<size_t>(count);
  }
}

bool FileLock::intact() const {
  struct stat held {}, named {};
  return ::fstat(descriptor_, &held) == 0 && ::stat(path_.c_str(), &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace reviewkd
