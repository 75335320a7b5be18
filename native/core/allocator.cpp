#include "core/allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/platform/memory.h"

namespace reviewkd {
namespace {

/// Smaller requests go to malloc, which is good at them.
constexpr size_t kSmallest = size_t{64} << 10;
/// Free blocks beyond this much are unmapped at once.
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

class BlockCache {
 public:
  void* take(size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = free_.find(bytes);
      if (found != free_.end() && !found->second.empty()) {
        void* block = found->second.back();
        found->second.pop_back();
        cached_ -= bytes;
        return block;
      }
    }
    void* block = platform::map_pages(bytes);
    if (block == nullptr) {
      release_all();
      block = platform::map_pages(bytes);
    }
    if (block == nullptr) fail(ErrorCode::kOutOfMemory, "expected ", bytes, " bytes of memory for a tensor, got none: use a smaller batch");
    return block;
  }

  void give_back(void* block, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (cached_ + bytes <= kMostCached) {
        free_[bytes].push_back(block);
        cached_ += bytes;
        return;
      }
    }
    platform::unmap_pages(block, bytes);
  }

  size_t cached() {
    const std::lock_guard lock(mutex_);
    return cached_;
  }

 private:
  void release_all() {
    const std::lock_guard lock(mutex_);
    for (auto& [bytes, blocks] : free_) {
      for (void* block : blocks) platform::unmap_pages(block, bytes);
    }
    free_.clear();
    cached_ = 0;
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
  size_t cached_ = 0;
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
    cache().give_back(header, header->bytes);
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
    void* block = nullptr;
    size_t block_bytes = 0;
    if (bytes + kHeader < kSmallest) {
      block = platform::allocate_aligned(kHeader, bytes + kHeader);
      if (block == nullptr) fail(ErrorCode::kOutOfMemory, "expected ", bytes, " bytes of memory for a tensor, got none");
    } else {
      block_bytes = rounded(bytes + kHeader);
      block = cache().take(block_bytes);
    }
    new (block) Header{block_bytes, bytes};
    record(static_cast<int64_t>(bytes));
    return static_cast<char*>(block) + kHeader;
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
  std::map<size_t, int64_t> free_blocks;
  size_t cached = 0;
  int64_t mapped = 0;
  int64_t most = 0;
  for (const int64_t event : events) {
    const size_t bytes = static_cast<size_t>(std::abs(event)) + kHeader;
    if (bytes < kSmallest) {
      mapped += event;
    } else if (const size_t block = rounded(bytes); event < 0) {
      if (cached + block <= kMostCached) {
        ++free_blocks[block];
        cached += block;
      } else {
        mapped -= static_cast<int64_t>(block);
      }
    } else if (int64_t& free = free_blocks[block]; free > 0) {
      --free;
      cached -= block;
    } else {
      mapped += static_cast<int64_t>(block);
    }
    most = std::max(most, mapped);
  }
  return most;
}

}  // namespace reviewkd
