#pragma once
// The processes of a training as JavaScript holds them.

#include <napi.h>

#include <memory>
#include <optional>
#include <utility>

#include "binding/support/handle.h"
#include "core/distributed/process_group.h"
#include "core/ops/threads/default_threads.h"

namespace reviewkd::binding {

/// A group and the thread on which it exchanges texts.
struct GroupThread {
  std::shared_ptr<ProcessGroup> group;
  std::shared_ptr<WorkerThread> thread;
  /// Of the cores, until the process leaves the group.
  std::optional<ops::CoresShare> cores;

  ~GroupThread() {
    if (!thread) return;
    // Closing connections may take a moment, which JavaScript's thread must not wait.
    thread->post([group = std::move(group)]() mutable { group.reset(); });
    thread->close();
  }
};

class ProcessGroupHandle : public Handle<ProcessGroupHandle, GroupThread> {
 public:
  static constexpr const char* kName = "ProcessGroup";
  static constexpr napi_type_tag kTag = {0x6c1b93f2a47d4e05, 0xb8e2570d9c3f16a4};

  using Handle::Handle;
  static void define(Napi::Env env);
};

/// (options: as JoinOptions::from, with localSize, the number of processes on this machine; stop: StopFlag) -> Promise<ProcessGroup>
Napi::Value join_process_group(const Napi::CallbackInfo& info);

/// () -> the backends that this process can use, such as "gloo".
Napi::Value process_group_backends_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
