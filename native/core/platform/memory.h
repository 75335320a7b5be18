#pragma once
// Memory that does not come from malloc, which a host may have replaced.

#include <cstddef>

namespace reviewkd::platform {

/// Whole pages of zeros; none where the system has no more.
void* map_pages(size_t bytes);

/// As many bytes as were asked for.
void unmap_pages(void* pages, size_t bytes);

/// None where there is no more. `alignment`: a power of two; `bytes`: any number.
void* allocate_aligned(size_t alignment, size_t bytes);

/// What `allocate_aligned` gave, or none.
void free_aligned(void* memory);

}  // namespace reviewkd::platform
