#include "core/checkpoint/formats/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace reviewkd {
namespace {

[[noreturn]] void fail_reading(const std::string& path, int reason) {
  fail(reason == ENOENT ? ErrorCode::kFileNotFound : ErrorCode::kFileAccess, "expected a readable file of weights at ", path, ", got: ",
       std::strerror(reason));
}

}  // namespace

void ByteSource::read(uint64_t offset, void* target, uint64_t bytes) const {
  if (!holds(offset, bytes)) {
    fail(ErrorCode::kFileCorrupt, "expected ", bytes, " bytes from byte ", offset, " on in ", name_, ", got a file of ", size_,
         ": it is damaged or was cut short");
  }
  if (bytes > 0) copy(offset, target, bytes);
}

FileSource::FileSource(const std::string& path) : ByteSource(path, 0) {
  // A pipe would be waited for in silence otherwise.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail_reading(path, errno);
  struct stat status {};
  const int reason = ::fstat(descriptor_, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : S_ISREG(status.st_mode) ? 0 : EINVAL;
  if (reason != 0) {
    ::close(descriptor_);
    fail_reading(path, reason);
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

FileSource::~FileSource() { ::close(descriptor_); }

void FileSource::copy(uint64_t offset, void* target, uint64_t bytes) const {
  constexpr uint64_t kLargestRead = uint64_t{1} << 30;
  char* next = static_cast<char*>(target);
  while (bytes > 0) {
    const ssize_t count = ::pread(descriptor_, next, std::min(bytes, kLargestRead), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_reading(name_, errno);
    if (count == 0) {
      fail(ErrorCode::kFileCorrupt, "expected ", bytes, " more bytes in ", name_, ", got its end: somebody shortened it meanwhile");
    }
    next += count;
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<uint64_t>(count);
  }
}

void MemorySource::copy(uint64_t offset, void* target, uint64_t bytes) const {
  std::memcpy(target, static_cast<const char*>(data_) + offset, bytes);
}

}  // namespace reviewkd
