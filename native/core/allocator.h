#pragma once
// Memory of CPU tensors: blocks from mmap that are kept and given out again, because a training step asks for the same
// sizes over and over, and fresh pages cost more than the arithmetic on them.

#include <cstddef>

namespace reviewkd {

/// Makes every CPU tensor of this process take its memory from the cache. Safe to call from several threads and more than
/// once. Freed blocks are kept up to a bound and returned to the system beyond it.
void install_caching_allocator();

/// Bytes that are kept for reuse at present.
size_t cached_bytes();

}  // namespace reviewkd
