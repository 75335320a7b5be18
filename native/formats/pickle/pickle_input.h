#pragma once
// A pickle's bytes, read into memory on demand and only up to a limit; long byte strings stay in the file.

#include <memory>
#include <string_view>

#include "formats/byte_source.h"

namespace reviewkd::pickle {

/// Pickles of state dicts take some 250 bytes per tensor, without the elements; logs of a training may lie with them.
constexpr uint64_t kLargestPickle = uint64_t{32} << 20;

class Input {
 public:
  /// Bytes of `source` from `begin` to `end`. Bytes beyond the limit, without those skipped, count as missing.
  Input(const ByteSource& source, uint64_t begin, uint64_t end);

  /// The next bytes, which stay valid for the life of this object. Throws FILE_CORRUPT at the end.
  std::string_view take(uint64_t bytes);
  uint8_t byte() { return static_cast<uint8_t>(take(1)[0]); }
  /// The bytes before the next line feed.
  std::string_view line();
  /// Number of bytes before the next line feed, however many. Throws FILE_CORRUPT if there is none.
  uint64_t line_bytes();
  /// Leaves the next bytes out of memory. Throws FILE_CORRUPT at the end.
  void skip(uint64_t bytes);

  /// The next byte's position in the file.
  uint64_t position() const { return begin_ + skipped_ + next_; }
  const std::string& name() const { return source_.name(); }
  const ByteSource& source() const { return source_; }

 private:
  /// Reads ahead, so that the buffer is filled up to `until` at least.
  void fill(uint64_t until);
  void require(uint64_t bytes) const;

  const ByteSource& source_;
  uint64_t begin_;
  uint64_t end_;
  uint64_t capacity_;
  // Positions in the buffer, and the number of bytes in front of `next_` that it lacks.
  uint64_t filled_ = 0;
  uint64_t next_ = 0;
  uint64_t skipped_ = 0;
  std::unique_ptr<char[]> buffer_;
};

[[noreturn]] void fail_corrupt(const Input& input, std::string_view expected);

/// Throws FILE_UNSUPPORTED if a pickle exceeds what weights ever need.
void check_bound(const Input& input, size_t count, size_t most);

}  // namespace reviewkd::pickle
