#include <malloc.h>

#include "core/platform/memory.h"
#include "core/platform/win32.h"

namespace reviewkd::platform {

void* map_pages(size_t bytes) { return ::VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }

// The system knows the size.
void unmap_pages(void* pages, size_t) { ::VirtualFree(pages, 0, MEM_RELEASE); }

void* allocate_aligned(size_t alignment, size_t bytes) { return ::_aligned_malloc(bytes, alignment); }

void free_aligned(void* memory) { ::_aligned_free(memory); }

}  // namespace reviewkd::platform
