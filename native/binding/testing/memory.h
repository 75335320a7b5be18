#pragma once
// Memory in use, for the tests that look for leaks. Resident memory grows in steps without a leak, because freed
// blocks are kept for reuse.

#include <napi.h>

namespace reviewkd::binding {

/// () -> {tensors, malloc}: bytes of the blocks that CPU tensors hold, and of what malloc has handed out; without
/// glibc the second is 0.
Napi::Value held_memory_of(const Napi::CallbackInfo& info);

}  // namespace reviewkd::binding
