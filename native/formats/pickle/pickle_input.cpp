#include "formats/pickle/pickle_input.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/error.h"

namespace reviewkd::pickle {
namespace {

constexpr uint64_t kChunk = uint64_t{64} << 10;
constexpr uint64_t kLongestLine = 512;

}  // namespace

Input::Input(const ByteSource& source, uint64_t begin, uint64_t end)
    : source_(source),
      begin_(begin),
      end_(end),
      capacity_(std::min(end - begin, kLargestPickle)),
      buffer_(std::make_unique_for_overwrite<char[]>(capacity_)) {}

std::string_view Input::take(uint64_t bytes) {
  require(bytes);
  if (bytes > capacity_ - next_) {
    fail(ErrorCode::kFileUnsupported, "invalid pickle in ", name(), ": expected at most ", kLargestPickle,
         " bytes in addition to those of arrays, received more. In Python, torch.save(model.state_dict(), "
         "\"weights.pt\") writes only the weights.");
  }
  fill(next_ + bytes);
  const std::string_view taken(buffer_.get() + next_, bytes);
  next_ += bytes;
  return taken;
}

std::string_view Input::line() {
  const uint64_t bytes = line_bytes();
  if (bytes >= kLongestLine) fail_corrupt(*this, "a short line");
  const std::string_view taken = take(bytes);
  take(1);
  return taken;
}

uint64_t Input::line_bytes() {
  fill(next_ + std::min({kLongestLine, capacity_ - next_, end_ - position()}));
  const std::string_view ahead(buffer_.get() + next_, filled_ - next_);
  const size_t found = ahead.find('\n');
  if (found != std::string_view::npos) return found;
  std::array<char, kChunk> chunk;
  for (uint64_t at = position() + ahead.size(); at < end_; at += chunk.size()) {
    const uint64_t count = std::min<uint64_t>(chunk.size(), end_ - at);
    source_.read(at, chunk.data(), count);
    const size_t index = std::string_view(chunk.data(), count).find('\n');
    if (index != std::string_view::npos) return at + index - position();
  }
  fail(ErrorCode::kFileCorrupt, "invalid pickle in ", name(), " at byte ", position(),
       ": expected a line, received no line feed. The file is damaged; download or save it again.");
}

void Input::skip(uint64_t bytes) {
  require(bytes);
  // Bytes that were read ahead move up to the next one.
  const uint64_t dropped = std::min(bytes, filled_ - next_);
  std::memmove(buffer_.get() + next_, buffer_.get() + next_ + dropped, filled_ - next_ - dropped);
  filled_ -= dropped;
  skipped_ += bytes;
}

void Input::require(uint64_t bytes) const {
  if (bytes <= end_ - position()) return;
  fail(ErrorCode::kFileCorrupt, "invalid pickle in ", name(), " at byte ", position(), ": expected ", bytes,
       " more bytes, received ", end_ - position(), ". The file is damaged or truncated; download or save it again.");
}

void Input::fill(uint64_t until) {
  if (until <= filled_) return;
  const uint64_t present = std::min(capacity_, end_ - begin_ - skipped_);
  const uint64_t target = std::min(present, std::max(until, filled_ + kChunk));
  source_.read(begin_ + skipped_ + filled_, buffer_.get() + filled_, target - filled_);
  filled_ = target;
}

void fail_corrupt(const Input& input, std::string_view expected) {
  fail(ErrorCode::kFileCorrupt, "invalid pickle in ", input.name(), " at byte ", input.position(), ": expected ",
       expected, ". The file is damaged; download or save it again.");
}

void check_bound(const Input& input, size_t count, size_t most) {
  if (count <= most) return;
  fail(ErrorCode::kFileUnsupported, "invalid pickle in ", input.name(), ": expected at most ", most,
       " values of a kind, received more. In Python, torch.save(model.state_dict(), \"weights.pt\") writes only the "
       "weights.");
}

}  // namespace reviewkd::pickle
