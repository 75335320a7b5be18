#pragma once
// Memory of CPU tensors: blocks from the system that are kept and given out again, because a training step asks for the same
// sizes over and over, and fresh pages cost more than the arithmetic on them.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace reviewkd {

/// Makes every CPU tensor of this process take its memory from the cache. Safe to call from several threads and more than
/// once. Freed blocks are kept up to a bound and returned to the system beyond it.
void install_caching_allocator();

/// Bytes that are kept for reuse at present.
size_t cached_bytes();

/// While it lives, records the memory of the CPU tensors that the calling thread makes (bytes asked for) and frees (the same
/// bytes, negative), in order. Other threads go unrecorded and unslowed. Needs the caching allocator.
class AllocationRecorder {
 public:
  AllocationRecorder();
  ~AllocationRecorder();
  AllocationRecorder(const AllocationRecorder&) = delete;
  AllocationRecorder& operator=(const AllocationRecorder&) = delete;

  /// What was recorded since the start or the last call.
  std::vector<int64_t> take();

  /// For the allocator.
  void record(int64_t bytes) { events_.push_back(bytes); }

 private:
  AllocationRecorder* outer_;
  std::vector<int64_t> events_;
};

/// The most bytes that the cache takes from the system, beyond what it held at the start, to serve recorded events: what
/// blocks are rounded up by and what is kept for reuse included.
int64_t most_mapped(const std::vector<int64_t>& events);

}  // namespace reviewkd
