#pragma once
// Memory of CPU tensors: blocks from the system are cached and reused, because a training step requests the same
// sizes repeatedly, and fresh pages cost more than the arithmetic on them.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace reviewkd {

/// Makes every CPU tensor of this process allocate from the cache. Thread-safe and idempotent. Freed blocks are
/// cached up to a bound and returned to the system beyond it.
void install_caching_allocator();

/// Bytes of the blocks that tensors hold. Tensors below 64 KiB have none: their memory comes from malloc.
size_t held_bytes();

/// While alive, records in order the CPU tensor memory that the calling thread allocates (requested bytes) and frees
/// (the same bytes, negative). Other threads are neither recorded nor slowed down. Requires the caching allocator.
class AllocationRecorder {
 public:
  AllocationRecorder();
  ~AllocationRecorder();
  AllocationRecorder(const AllocationRecorder&) = delete;
  AllocationRecorder& operator=(const AllocationRecorder&) = delete;

  /// The events recorded since construction or the last call.
  std::vector<int64_t> take();

  /// Called by the allocator.
  void record(int64_t bytes) { events_.push_back(bytes); }

 private:
  AllocationRecorder* outer_;
  std::vector<int64_t> events_;
};

/// While alive, throws OUT_OF_MEMORY where the CPU tensors that the calling thread has allocated since would take more
/// bytes than `most`: systems promise more memory than they have, and end a process that makes use of it. Requires the
/// caching allocator.
class MemoryLimit {
 public:
  explicit MemoryLimit(int64_t most);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  /// Called by the allocator: before it allocates, and after each event as a recorder.
  void require(int64_t bytes) const;
  void record(int64_t bytes) { held_ += bytes; }

 private:
  MemoryLimit* outer_;
  int64_t most_;
  int64_t held_ = 0;
};

/// The peak number of bytes that the cache takes from the system, beyond its initial contents, to serve recorded
/// events, including rounding and blocks kept for reuse.
int64_t most_mapped(const std::vector<int64_t>& events);

}  // namespace reviewkd
