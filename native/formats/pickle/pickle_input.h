#pragma once
// A pickle's bytes, read into memory on demand and only up to a limit.

#include <memory>
#include <string_view>

#include "formats/byte_source.h"

namespace reviewkd::pickle {

/// Pickles of state dicts take some 250 bytes per tensor.
constexpr uint64_t kLargestPickle = uint64_t{8} << 20;

class Input {
 public:
  /// Bytes of `source` from `begin` to `end`. Bytes beyond the limit count as missing.
  Input(const ByteSource& source, uint64_t begin, uint64_t end);

  /// The next bytes, which stay valid for the life of this object. Throws FILE_CORRUPT at the end.
  std::string_view take(uint64_t bytes);
  uint8_t byte() { return static_cast<uint8_t>(take(1)[0]); }
  /// The bytes before the next line feed.
  std::string_view line();

  /// The next byte's position in the file.
  uint64_t position() const { return begin_ + next_; }
  const std::string& name() const { return source_.name(); }

 private:
  void fill(uint64_t until);

  const ByteSource& source_;
  uint64_t begin_;
  uint64_t size_;
  uint64_t filled_ = 0;
  uint64_t next_ = 0;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace reviewkd::pickle
