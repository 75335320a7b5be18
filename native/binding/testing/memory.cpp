#include "binding/testing/memory.h"

#include <cstdlib>

#include "core/ops/backend/allocator.h"

// Since 2.33: the older `mallinfo` counts in int.
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
#include <malloc.h>
#define REVIEWKD_HAS_MALLINFO2
#endif
#endif

namespace reviewkd::binding {
namespace {

size_t malloc_bytes() {
#ifdef REVIEWKD_HAS_MALLINFO2
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

}  // namespace

Napi::Value held_memory_of(const Napi::CallbackInfo& info) {
  Napi::Object held = Napi::Object::New(info.Env());
  held.Set("tensors", static_cast<double>(held_bytes()));
  held.Set("malloc", static_cast<double>(malloc_bytes()));
  return held;
}

}  // namespace reviewkd::binding
