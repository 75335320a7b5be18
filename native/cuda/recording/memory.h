#pragma once
// Device memory and page-locked memory, both backed by the host.

#include <cstddef>
#include <cstdint>

namespace reviewkd::recording {

enum class Place { kPageable, kPinned, kDevice };

struct Region {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Place place = Place::kPageable;
};

/// The allocation that contains `pointer`; pageable host memory if there is none.
Region region_of(const void* pointer);

size_t device_memory_used();
size_t device_memory_peak();
size_t pinned_memory_used();

}  // namespace reviewkd::recording
