#pragma once

#include <ATen/Parallel.h>

namespace reviewkd::tests {

/// The result of body() on this many threads.
template <typename Body>
auto on_threads(int count, const Body& body) {
  struct Restored {
    int before = at::get_num_threads();
    ~Restored() { at::set_num_threads(before); }
  } restored;
  at::set_num_threads(count);
  return body();
}

}  // namespace reviewkd::tests
