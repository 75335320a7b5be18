#pragma once
// Memory that does not come from malloc, which a host may have replaced.

#include <cstddef>

namespace reviewkd::platform {

/// Whole pages of zeros; null if out of memory.
void* map_pages(size_t bytes);

/// `bytes`: the size passed to `map_pages`.
void unmap_pages(void* pages, size_t bytes);

/// Null if out of memory. `alignment`: a power of two; `bytes`: any number.
void* allocate_aligned(size_t alignment, size_t bytes);

/// Frees memory of `allocate_aligned`; null is allowed.
void free_aligned(void* memory);

}  // namespace reviewkd::platform
