#include "core/ops/threads/default_threads.h"

#include <ATen/Parallel.h>
#include <c10/core/thread_pool.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

#include "core/platform/processors.h"

namespace reviewkd::ops {

namespace {

/// More than any machine has; each takes memory, whose end ends the process.
constexpr int kMostThreads = 1024;

/// The processes on this machine of each training that this process takes part in.
class LocalProcesses {
 public:
  static LocalProcesses& shared() {
    static LocalProcesses counts;
    return counts;
  }

  void add(int processes) {
    const std::lock_guard lock(mutex_);
    counts_.insert(processes);
  }
  void remove(int processes) {
    const std::lock_guard lock(mutex_);
    counts_.erase(counts_.find(processes));
  }
  int most() const {
    const std::lock_guard lock(mutex_);
    return counts_.empty() ? 1 : *counts_.rbegin();
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<int> counts_;
};

/// Of this process.
Processors processors_with(int cores) {
  return {.cores = cores,
          .machine = platform::machine_processors(),
          .scheduled = platform::scheduled_processors(),
          .quota = platform::processor_quota().value_or(0)};
}

DefaultThreads find() {
  // @env MKL_NUM_THREADS users: Threads of one operation, unless the option `threads` is given. Default:
  // `OMP_NUM_THREADS`.
  const char* mkl = std::getenv("MKL_NUM_THREADS");
  // @env OMP_NUM_THREADS users: Threads of one operation, unless `MKL_NUM_THREADS` or the option `threads` is given; the
  // first number of a list. Default: as many as cores that this process may use.
  const char* open_mp = std::getenv("OMP_NUM_THREADS");
  if (const int count = thread_count_in(mkl); count > 0) return {count, ThreadsOrigin::kMkl};
  if (const int count = thread_count_in(open_mp); count > 0) return {count, ThreadsOrigin::kOpenMp};
  // libtorch's function reads the variables too: it takes 1 from "1.5", and of text MKL makes one thread.
  const bool is_set = mkl != nullptr || open_mp != nullptr;
  const int cores =
      is_set ? static_cast<int>(c10::TaskThreadPoolBase::defaultNumThreads()) : at::intraop_default_num_threads();
  return threads_for(processors_with(cores));
}

}  // namespace

std::string_view name_of(ThreadsOrigin origin) {
  switch (origin) {
    case ThreadsOrigin::kCores: return "cores";
    case ThreadsOrigin::kAffinity: return "affinity";
    case ThreadsOrigin::kQuota: return "quota";
    case ThreadsOrigin::kOpenMp: return "OMP_NUM_THREADS";
    case ThreadsOrigin::kMkl: return "MKL_NUM_THREADS";
  }
  return "";
}

DefaultThreads default_threads() {
  static const DefaultThreads found = find();
  const bool is_shared = found.origin == ThreadsOrigin::kCores || found.origin == ThreadsOrigin::kQuota;
  return {is_shared ? std::max(1, found.count / LocalProcesses::shared().most()) : found.count, found.origin};
}

CoresShare::CoresShare(int processes) : processes_(std::max(1, processes)) { LocalProcesses::shared().add(processes_); }

CoresShare::~CoresShare() { LocalProcesses::shared().remove(processes_); }

int available_processors() {
  static const int count =
      threads_for(processors_with(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())))).count;
  return count;
}

ThreadsScope::ThreadsScope(int64_t count) : before_(at::get_num_threads()) {
  if (count > 0) at::set_num_threads(static_cast<int>(std::min<int64_t>(count, kMostThreads)));
}

ThreadsScope::~ThreadsScope() {
  if (at::get_num_threads() != before_) at::set_num_threads(before_);
}

int thread_count_in(const char* text) {
  if (text == nullptr) return 0;
  while (*text == ' ' || *text == '\t') ++text;
  if (*text == '+') ++text;
  int count = 0;
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, count);
  if (error == std::errc::result_out_of_range) return *text == '-' ? 0 : kMostThreads;
  const bool is_whole = rest == end || *rest == ',' || *rest == ' ' || *rest == '\t';
  return error == std::errc{} && is_whole && count > 0 ? std::min(count, kMostThreads) : 0;
}

DefaultThreads threads_for(const Processors& processors) {
  const auto& [cores, machine, scheduled, quota] = processors;
  DefaultThreads least{std::clamp(cores, 1, kMostThreads), ThreadsOrigin::kCores};
  // Some systems count as cores only those that the process runs on.
  const bool is_restricted = scheduled > 0 && (machine == 0 || scheduled < machine);
  if (is_restricted && scheduled <= least.count) least = {scheduled, ThreadsOrigin::kAffinity};
  // A thread that gets a part of a processor's time is still better than none.
  const double given = std::ceil(quota);
  if (quota > 0 && given < least.count) least = {std::max(1, static_cast<int>(given)), ThreadsOrigin::kQuota};
  return least;
}

}  // namespace reviewkd::ops
