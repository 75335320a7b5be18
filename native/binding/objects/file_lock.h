#pragma once
// JavaScript handles for file locks.

#include <napi.h>

#include "binding/support/handle.h"
#include "core/io/file_lock.h"

namespace reviewkd::binding {

class FileLockHandle : public Handle<FileLockHandle, FileLock> {
 public:
  static constexpr const char* kName = "FileLock";
  static constexpr napi_type_tag kTag = {0x5be07a12c94f36d8, 0x91d3f6820ac57be4};

  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value supported(const Napi::CallbackInfo& info);
  Napi::Value intact(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
};

/// (path: string) -> Promise<FileLock | undefined>: undefined if another process or holder has the lock.
Napi::Value lock_file(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
