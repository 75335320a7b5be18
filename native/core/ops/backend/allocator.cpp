#include "core/ops/backend/allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>
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

/// Smaller requests go to malloc, which handles them well.
constexpr size_t kSmallest = size_t{64} << 10;
/// Upper bound for the total size of free blocks.
constexpr size_t kMostCached = size_t{3} << 30;
/// Size of the header before the data, which keeps the data aligned for vector instructions.
constexpr size_t kHeader = 64;

struct Header {
  size_t bytes;      // of the whole block; 0: from malloc
  size_t requested;  // of these, the bytes requested
};
static_assert(sizeof(Header) <= kHeader);

thread_local AllocationRecorder* recorder_of_thread = nullptr;
thread_local MemoryLimit* limit_of_thread = nullptr;

void record(int64_t bytes) {
  if (recorder_of_thread != nullptr) recorder_of_thread->record(bytes);
  if (limit_of_thread != nullptr) limit_of_thread->record(bytes);
}

Header* header_of(void* data) { return reinterpret_cast<Header*>(static_cast<char*>(data) - kHeader); }

/// Rounds sizes up by at most an eighth, so that nearly equal requests share blocks.
size_t rounded(size_t bytes) {
  size_t step = kSmallest;
  while (bytes > 16 * step) step *= 2;
  return (bytes + step - 1) / step * step;
}

/// Free blocks available for reuse. Beyond the bound, the ones that have been free the longest are evicted: their
/// size is no longer in use, for example that of a previous network.
class FreeBlocks {
 public:
  struct Block {
    void* start;
    size_t bytes;
  };

  /// The smallest block that is large enough and not much larger: different steps need different sizes, and memory
  /// should not hold all of them at once. Among equal ones the most recently freed, most of which may still be in a
  /// processor's cache.
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

  /// Removes the blocks that have been free the longest until at most `most` bytes are left.
  std::vector<Block> shrink(size_t most) {
    std::vector<Block> evicted;
    while (bytes_ > most) {
      const Block oldest = by_age_.front();
      const auto equals = by_size_.find(oldest.bytes);
      equals->second.pop_front();
      if (equals->second.empty()) by_size_.erase(equals);
      by_age_.pop_front();
      bytes_ -= oldest.bytes;
      evicted.push_back(oldest);
    }
    return evicted;
  }

  size_t bytes() const { return bytes_; }

 private:
  std::list<Block> by_age_;  // the oldest first
  std::map<size_t, std::deque<std::list<Block>::iterator>> by_size_;
  size_t bytes_ = 0;
};

class BlockCache {
 public:
  /// Allocates at least this many bytes.
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
    if (block == nullptr)
      fail(ErrorCode::kOutOfMemory, "out of memory: cannot allocate ", bytes,
           " bytes for a tensor. Use smaller batches or images, or a smaller network.");
    mapped_ += bytes;
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

  /// Bytes of the blocks that are in use.
  size_t held() {
    const std::lock_guard lock(mutex_);
    return mapped_ - free_.bytes();
  }

 private:
  void shrink(size_t most) {
    std::vector<FreeBlocks::Block> evicted;
    {
      const std::lock_guard lock(mutex_);
      evicted = free_.shrink(most);
    }
    for (const auto& [start, bytes] : evicted) {
      platform::unmap_pages(start, bytes);
      mapped_ -= bytes;
    }
  }

  std::mutex mutex_;
  FreeBlocks free_;
  std::atomic<size_t> mapped_{0};
};

BlockCache& cache() {
  static auto* const instance =
      new BlockCache;  // never destroyed: tensors may be freed while static objects are destroyed
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
    if (limit_of_thread != nullptr) limit_of_thread->require(static_cast<int64_t>(bytes));
    FreeBlocks::Block block{nullptr, 0};
    if (bytes + kHeader < kSmallest) {
      block.start = platform::allocate_aligned(kHeader, bytes + kHeader);
      if (block.start == nullptr)
        fail(ErrorCode::kOutOfMemory, "out of memory: cannot allocate ", bytes,
             " bytes for a tensor. Use smaller batches or images, or a smaller network.");
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
  static auto* const allocator = new CachingAllocator;
  // Higher than libtorch's own priority, which is 0.
  if (c10::GetCPUAllocator() != allocator) c10::SetCPUAllocator(allocator, /*priority=*/100);
}

size_t held_bytes() { return cache().held(); }

// Another file of the addon in this process, such as another version of the package, may have installed its own.
AllocationRecorder::AllocationRecorder() : outer_(std::exchange(recorder_of_thread, this)) {
  install_caching_allocator();
}

AllocationRecorder::~AllocationRecorder() { recorder_of_thread = outer_; }

std::vector<int64_t> AllocationRecorder::take() { return std::exchange(events_, {}); }

MemoryLimit::MemoryLimit(int64_t most) : outer_(std::exchange(limit_of_thread, this)), most_(most) {
  install_caching_allocator();
}

MemoryLimit::~MemoryLimit() { limit_of_thread = outer_; }

void MemoryLimit::require(int64_t bytes) const {
  if (held_ + bytes <= most_) return;
  fail(ErrorCode::kOutOfMemory, "out of memory: tensors of ", held_ + bytes, " bytes are wanted, and ", most_,
       " bytes are available. Use smaller images, or a smaller network.");
}

int64_t most_mapped(const std::vector<int64_t>& events) {
  FreeBlocks free_blocks;
  std::map<size_t, std::vector<size_t>> allocated;  // blocks by requested size
  int64_t mapped = 0;
  int64_t most = 0;
  for (const int64_t event : events) {
    const size_t bytes = static_cast<size_t>(std::abs(event)) + kHeader;
    if (bytes < kSmallest) {
      mapped += event;
    } else if (const size_t block = rounded(bytes); event < 0) {
      std::vector<size_t>& equals = allocated[block];
      free_blocks.add({nullptr, equals.empty() ? block : equals.back()});
      if (!equals.empty()) equals.pop_back();
      for (const auto& evicted : free_blocks.shrink(kMostCached)) mapped -= static_cast<int64_t>(evicted.bytes);
    } else {
      const auto free = free_blocks.take(block);
      if (!free) mapped += static_cast<int64_t>(block);
      allocated[block].push_back(free ? free->bytes : block);
    }
    most = std::max(most, mapped);
  }
  return most;
}

}  // namespace reviewkd
