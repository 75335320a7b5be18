#include "core/ops/backend/allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/platform/memory.h"

namespace reviewkd {
namespace {

/// Smaller requests go to malloc, which is good at them.
constexpr size_t kSmallest = size_t{64} << 10;
/// Of free blocks no more than this much is kept.
constexpr size_t kMostCached = size_t{3} << 30;
/// In front of the data, at the alignment that vector instructions want.
constexpr size_t kHeader = 64;

struct Header {
  size_t bytes;      // of the whole block; 0: from malloc
  size_t requested;  // of these, the data's
};
static_assert(sizeof(Header) <= kHeader);

thread_local AllocationRecorder* recorder_of_thread = nullptr;

void record(int64_t bytes) {
  if (recorder_of_thread != nullptr) recorder_of_thread->record(bytes);
}

Header* header_of(void* data) { return reinterpret_cast<Header*>(static_cast<char*>(data) - kHeader); }

/// Sizes are rounded so that nearly equal requests share blocks, by an eighth at the most.
size_t rounded(size_t bytes) {
  size_t step = kSmallest;
  while (bytes > 16 * step) step *= 2;
  return (bytes + step - 1) / step * step;
}

/// Blocks that wait to be asked for again. Where they would be too many, those go that have waited longest: they are of a size that
/// nobody uses any more, such as a former network's.
class FreeBlocks {
 public:
  struct Block {
    void* start;
    size_t bytes;
  };

  /// The smallest that is large enough and not much larger: a step needs some sizes here and others there, and should not hold both at a
  /// time. Among equal ones that which was freed last, of which the most may still lie in a processor's cache.
  std::optional<Block> take(size_t bytes) {
    const auto found = by_size_.lower_bound(bytes);
    if (found == by_size_.end() || found->first > bytes + bytes / 2) return std::nullopt;
    const auto place = found->second.back();
    found->second.pop_back();
    if (found->second.empty()) by_size_.erase(found);
    const Block block = *place;
    by_age_.erase(place);
    bytes_ -= block.bytes;
    return block;
  }

  void add(Block block) {
    by_size_[block.bytes].push_back(by_age_.insert(by_age_.end(), block));
    bytes_ += block.bytes;
  }

  /// Takes out what has waited longest, until no more than `most` bytes are left.
  std::vector<Block> shrink(size_t most) {
    std::vector<Block> gone;
    while (bytes_ > most) {
      const Block oldest = by_age_.front();
      const auto equals = by_size_.find(oldest.bytes);
      equals->second.pop_front();
      if (equals->second.empty()) by_size_.erase(equals);
      by_age_.pop_front();
      bytes_ -= oldest.bytes;
      gone.push_back(oldest);
    }
    return gone;
  }

  size_t bytes() const { return bytes_; }

 private:
  std::list<Block> by_age_;  // the oldest first
  std::map<size_t, std::deque<std::list<Block>::iterator>> by_size_;
  size_t bytes_ = 0;
};

class BlockCache {
 public:
  /// At least so many.
  FreeBlocks::Block take(size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto block = free_.take(bytes)) return *block;
    }
    void* block = platform::map_pages(bytes);
    if (block == nullptr) {
      shrink(0);
      block = platform::map_pages(bytes);
    }
    if (block == nullptr) fail(ErrorCode::kOutOfMemory, "expected ", bytes, " bytes of memory for a tensor, got none: use a smaller batch");
    return {block, bytes};
  }

  void give_back(FreeBlocks::Block block) {
    {
      const std::lock_guard lock(mutex_);
      free_.add(block);
      if (free_.bytes() <= kMostCached) return;
    }
    shrink(kMostCached);
  }

  size_t cached() {
    const std::lock_guard lock(mutex_);
    return free_.bytes();
  }

 private:
  void shrink(size_t most) {
    std::vector<FreeBlocks::Block> gone;
    {
      const std::lock_guard lock(mutex_);
      gone = free_.shrink(most);
    }
    for (const auto& [start, bytes] : gone) platform::unmap_pages(start, bytes);
  }

  std::mutex mutex_;
  FreeBlocks free_;
};

BlockCache& cache() {
  static auto* const instance = new BlockCache;  // tensors may be freed while static objects are destroyed
  return *instance;
}

void release(void* data) {
  if (data == nullptr) return;
  Header* header = header_of(data);
  record(-static_cast<int64_t>(header->requested));
  if (header->bytes == 0) {
    platform::free_aligned(header);
  } else {
    cache().give_back({header, header->bytes});
  }
}

class CachingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : take(bytes);
    return {data, data, &release, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

 private:
  static void* take(size_t bytes) {
    FreeBlocks::Block block{nullptr, 0};
    if (bytes + kHeader < kSmallest) {
      block.start = platform::allocate_aligned(kHeader, bytes + kHeader);
      if (block.start == nullptr) fail(ErrorCode::kOutOfMemory, "expected ", bytes, " bytes of memory for a tensor, got none");
    } else {
      block = cache().take(rounded(bytes + kHeader));
    }
    new (block.start) Header{block.bytes, bytes};
    record(static_cast<int64_t>(bytes));
    return static_cast<char*>(block.start) + kHeader;
  }
};

}  // namespace

void install_caching_allocator() {
  static std::once_flag once;
  std::call_once(once, [] {
    static auto* const allocator = new CachingAllocator;
    // Above libtorch's own priority, which is 0.
    c10::SetCPUAllocator(allocator, /*priority=*/100);
  });
}

size_t cached_bytes() { return cache().cached(); }

AllocationRecorder::AllocationRecorder() : outer_(std::exchange(recorder_of_thread, this)) {}

AllocationRecorder::~AllocationRecorder() { recorder_of_thread = outer_; }

std::vector<int64_t> AllocationRecorder::take() { return std::exchange(events_, {}); }

int64_t most_mapped(const std::vector<int64_t>& events) {
  FreeBlocks free_blocks;
  std::map<size_t, std::vector<size_t>> taken;  // blocks by the size that was asked for
  int64_t mapped = 0;
  int64_t most = 0;
  for (const int64_t event : events) {
    const size_t bytes = static_cast<size_t>(std::abs(event)) + kHeader;
    if (bytes < kSmallest) {
      mapped += event;
    } else if (const size_t block = rounded(bytes); event < 0) {
      std::vector<size_t>& equals = taken[block];
      free_blocks.add({nullptr, equals.empty() ? block : equals.back()});
      if (!equals.empty()) equals.pop_back();
      for (const auto& gone : free_blocks.shrink(kMostCached)) mapped -= static_cast<int64_t>(gone.bytes);
    } else {
      const auto free = free_blocks.take(block);
      if (!free) mapped += static_cast<int64_t>(block);
      taken[block].push_back(free ? free->bytes : block);
    }
    most = std::max(most, mapped);
  }
  return most;
}

}  // namespace reviewkd
