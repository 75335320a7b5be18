#pragma once
// The default number of threads of an operation.

#include <cstdint>
#include <string_view>

namespace reviewkd::ops {

/// The reason for the default number of threads.
enum class ThreadsOrigin {
  kCores,     // physical cores of the machine
  kAffinity,  // processors that the system runs this process on
  kQuota,     // processor time that it is given
  kOpenMp,    // OMP_NUM_THREADS
  kMkl,       // MKL_NUM_THREADS
};

std::string_view name_of(ThreadsOrigin origin);

struct DefaultThreads {
  int count;
  ThreadsOrigin origin;
};

/// Threads of one operation: as many as the environment's variables name, otherwise as cores that this process may
/// use, quotas rounded up. Read once.
DefaultThreads default_threads();

/// While one lives, the default is a part of the machine's cores or of the quota, since `processes` of one training run
/// on them. Processors that the system gives to this process alone are its own. Of several, the smallest part counts.
class CoresShare {
 public:
  explicit CoresShare(int processes);
  ~CoresShare();
  CoresShare(const CoresShare&) = delete;
  CoresShare& operator=(const CoresShare&) = delete;

 private:
  int processes_;
};

/// Processors that this process may use, hyper-threads included; quotas are rounded up.
int available_processors();

/// Operations of the calling thread use this many threads while it lives; 0: as many as before.
class ThreadsScope {
 public:
  explicit ThreadsScope(int64_t count);
  ~ThreadsScope();
  ThreadsScope(const ThreadsScope&) = delete;
  ThreadsScope& operator=(const ThreadsScope&) = delete;

 private:
  int before_;
};

/// The first number of a list as OMP_NUM_THREADS has it, "4,2"; 0 unless it is one from 1.
int thread_count_in(const char* text);

/// Numbers of processors; 0: unknown.
struct Processors {
  /// Threads for the machine, usually one for each physical core.
  int cores = 1;
  int machine = 0;
  int scheduled = 0;
  double quota = 0;
};

/// The least of cores, scheduled processors and quota.
DefaultThreads threads_for(const Processors& processors);

}  // namespace reviewkd::ops
