#include "core/ops/backend/scratch/scratch.h"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "core/base/rounding.h"
#include "core/platform/memory.h"

namespace reviewkd::ops {
namespace {

constexpr int64_t kPage = 4096;

}  // namespace

void ScratchArena::Free::operator()(std::byte* memory) const { platform::free_aligned(memory); }

ScratchArena& ScratchArena::of_thread() {
  static thread_local ScratchArena arena;
  return arena;
}

int64_t ScratchArena::capacity() const {
  int64_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.bytes;
  return bytes;
}

std::byte* ScratchArena::take(int64_t bytes) {
  const int64_t rounded = rounded_up(bytes, kAlignment);
  if (position_.block == blocks_.size() || blocks_[position_.block].bytes - position_.used < rounded)
    use_next_block(rounded);
  std::byte* const start = blocks_[position_.block].data.get() + position_.used;
  position_.used += rounded;
  position_.taken += rounded;
  most_taken_ = std::max(most_taken_, position_.taken);
  return start;
}

void ScratchArena::use_next_block(int64_t bytes) {
  const size_t next = position_.used > 0 ? position_.block + 1 : position_.block;
  // No scope is using this block and those behind it.
  if (next == blocks_.size() || blocks_[next].bytes < bytes) {
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(next), blocks_.end());
    const int64_t wanted = rounded_up(std::max(bytes, most_taken_ - position_.taken), kPage);
    auto* const memory = static_cast<std::byte*>(platform::allocate_aligned(kAlignment, static_cast<size_t>(wanted)));
    if (memory == nullptr) throw std::bad_alloc();
    blocks_.push_back({std::unique_ptr<std::byte, Free>(memory), wanted});
  }
  position_.block = next;
  position_.used = 0;
}

void ScratchArena::release(const Position& position) {
  position_ = position;
  // The next user of all this memory gets it as one block.
  if (position.taken == 0 && blocks_.size() > 1) blocks_.clear();
}

ScratchScope::ScratchScope(ScratchArena& arena) : arena_(arena), outer_(arena.innermost_), start_(arena.position_) {
  arena_.innermost_ = this;
}

ScratchScope::~ScratchScope() {
  arena_.release(start_);
  arena_.innermost_ = outer_;
}

std::byte* ScratchScope::take_bytes(int64_t bytes) {
  if (arena_.innermost_ != this || arena_.owner_ != std::this_thread::get_id()) {
    throw std::logic_error(
        "invalid use of a scratch scope: expected the innermost one of the calling thread, received another.");
  }
  return arena_.take(bytes);
}

}  // namespace reviewkd::ops
