#pragma once
// The part of a batch, or of a list of batches, that one of several processes has.

#include <algorithm>
#include <cstdint>

namespace reviewkd {

struct Share {
  int64_t rank = 0;
  int64_t size = 1;

  struct Range {
    int64_t begin = 0;
    int64_t length = 0;
  };

  /// Of consecutive images, whose numbers differ by 1 at most from those of the others: as the parts of a batch that
  /// is split into as many micro-batches. With fewer images than processes, the first ones have one each.
  Range of(int64_t images) const {
    const int64_t parts = active(images);
    if (rank >= parts) return {images, 0};
    const int64_t begin = images * rank / parts;
    return {begin, images * (rank + 1) / parts - begin};
  }

  /// The number of processes that have images of these.
  int64_t active(int64_t images) const { return std::min(size, images); }

  bool is_whole() const { return size == 1; }
};

/// How batches are distributed among processes.
enum class Sharding {
  /// Each process has its part of each batch.
  kWithinBatches,
  /// Each process has whole batches: number `rank`, `rank + size` and so on.
  kWholeBatches,
};

}  // namespace reviewkd
