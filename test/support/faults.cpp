// A file layer that fails on request: preloaded into a process, it forwards calls on files below
// REVIEWKD_FAULTS_ROOT, fails them, truncates them or kills the process, according to the current rules in the file
// REVIEWKD_FAULTS. A rule is a line:
//
//   OPERATION NAME SKIP ACTION
//
// OPERATION: open, write, fsync, rename, link, unlink, mkdir, lock or any. NAME: a part of the path, or its end if
// followed by $; * for any path. SKIP: number of matching calls that succeed first (bytes, if writes fail). ACTION:
// an error (ENOSPC, EIO, EROFS, EACCES, EINVAL, ENOLCK), short (a write accepts at most 100 bytes), or kill (SIGKILL
// before the call). The first matching rule applies.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>

namespace {

struct Verdict {
  int error = 0;        // to return
  size_t most = SIZE_MAX;  // bytes that a write may accept
};

thread_local bool inside = false;
std::mutex mutex;
std::map<std::string, size_t> passed;  // calls or bytes by rule

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int error_of(const std::string& name) {
  if (name == "ENOSPC") return ENOSPC;
  if (name == "EIO") return EIO;
  if (name == "EROFS") return EROFS;
  if (name == "EINVAL") return EINVAL;
  if (name == "ENOLCK") return ENOLCK;
  return EACCES;
}

bool matches(const std::string& path, const std::string& name) {
  if (name == "*") return true;
  if (name.back() != '$') return path.find(name) != std::string::npos;
  const size_t length = name.size() - 1;
  return path.size() >= length && path.compare(path.size() - length, length, name, 0, length) == 0;
}

std::string path_of(int descriptor) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = readlink(link.c_str(), path, sizeof path);
  return length < 0 ? "" : std::string(path, static_cast<size_t>(length));
}

Verdict judge(const std::string& operation, const std::string& path, size_t bytes = 0) {
  // @env REVIEWKD_FAULTS tests: The file of the rules by which reads and writes fail; set by tests. Default: none
  // fails.
  // @env REVIEWKD_FAULTS_ROOT tests: The directory below which they fail. Default: none.
  const char* rules = getenv("REVIEWKD_FAULTS");
  const char* root = getenv("REVIEWKD_FAULTS_ROOT");
  if (inside || !rules || !root || path.rfind(root, 0) != 0) return {};
  inside = true;
  Verdict verdict;
  {
    const std::lock_guard lock(mutex);
    std::ifstream file(rules);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string rule, name, action;
      size_t skip = 0;
      words >> rule >> name >> skip >> action;
      if ((rule != "any" && rule != operation) || !matches(path, name)) continue;
      size_t& count = passed[line];
      if (action == "kill") {
        if (count++ == skip) kill(getpid(), SIGKILL);
      } else if (action == "short") {
        verdict.most = 100;
      } else if (operation == "write") {
        verdict.most = skip - std::min(skip, count);
        if (verdict.most == 0 && bytes > 0) verdict.error = error_of(action);
        count += std::min(bytes, verdict.most);
      } else if (count++ >= skip) {
        verdict.error = error_of(action);
      }
      break;
    }
  }
  inside = false;
  return verdict;
}

/// Fails or forwards the call.
bool refused(const Verdict& verdict) {
  if (verdict.error == 0) return false;
  errno = verdict.error;
  return true;
}

std::string absolute(int directory, const char* path) {
  return path[0] == '/' ? path : (directory == AT_FDCWD ? path : path_of(directory) + "/" + path);
}

}  // namespace

extern "C" {

#define OPEN(name) \
  int name(const char* path, int flags, ...) { \
    va_list arguments; \
    va_start(arguments, flags); \
    const mode_t mode = va_arg(arguments, mode_t); \
    va_end(arguments); \
    if ((flags & O_ACCMODE) != O_RDONLY && refused(judge("open", path))) return -1; \
    return next<int (*)(const char*, int, ...)>(#name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int directory, const char* path, int flags, ...) { \
    va_list arguments; \
    va_start(arguments, flags); \
    const mode_t mode = va_arg(arguments, mode_t); \
    va_end(arguments); \
    if ((flags & O_ACCMODE) != O_RDONLY && refused(judge("open", absolute(directory, path)))) return -1; \
    return next<int (*)(int, const char*, int, ...)>(#name)(directory, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int descriptor, const void* data, size_t bytes) {
  const Verdict verdict = judge("write", path_of(descriptor), bytes);
  if (refused(verdict)) return -1;
  return next<ssize_t (*)(int, const void*, size_t)>("write")(descriptor, data, std::min(bytes, verdict.most));
}

#define PWRITE(name) \
  ssize_t name(int descriptor, const void* data, size_t bytes, off_t offset) { \
    const Verdict verdict = judge("write", path_of(descriptor), bytes); \
    if (refused(verdict)) return -1; \
    return next<ssize_t (*)(int, const void*, size_t, off_t)>(#name)(descriptor, data, std::min(bytes, verdict.most), \
                                                                     offset); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t writev(int descriptor, const iovec* pieces, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += pieces[i].iov_len;
  const Verdict verdict = judge("write", path_of(descriptor), bytes);
  if (refused(verdict)) return -1;
  if (verdict.most >= bytes) return next<ssize_t (*)(int, const iovec*, int)>("writev")(descriptor, pieces, count);
  return next<ssize_t (*)(int, const void*, size_t)>("write")(descriptor, pieces[0].iov_base,
                                                              std::min(pieces[0].iov_len, verdict.most));
}

int fsync(int descriptor) {
  return refused(judge("fsync", path_of(descriptor))) ? -1 : next<int (*)(int)>("fsync")(descriptor);
}
int fdatasync(int descriptor) {
  return refused(judge("fsync", path_of(descriptor))) ? -1 : next<int (*)(int)>("fdatasync")(descriptor);
}
int rename(const char* from, const char* to) {
  return refused(judge("rename", to)) ? -1 : next<int (*)(const char*, const char*)>("rename")(from, to);
}
int link(const char* from, const char* to) {
  return refused(judge("link", to)) ? -1 : next<int (*)(const char*, const char*)>("link")(from, to);
}
int unlink(const char* path) {
  return refused(judge("unlink", path)) ? -1 : next<int (*)(const char*)>("unlink")(path);
}
int flock(int descriptor, int operation) {
  return refused(judge("lock", path_of(descriptor))) ? -1 : next<int (*)(int, int)>("flock")(descriptor, operation);
}
int mkdir(const char* path, mode_t mode) {
  return refused(judge("mkdir", path)) ? -1 : next<int (*)(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
