#include "formats/pickle/pickle_input.h"

#include <algorithm>

#include "core/base/error.h"

namespace reviewkd::pickle {
namespace {

constexpr uint64_t kChunk = uint64_t{64} << 10;
constexpr uint64_t kLongestLine = 512;

}  // namespace

Input::Input(const ByteSource& source, uint64_t begin, uint64_t end)
    : source_(source),
      begin_(begin),
      size_(std::min(end - begin, kLargestPickle)),
      buffer_(std::make_unique_for_overwrite<char[]>(size_)) {}

std::string_view Input::take(uint64_t bytes) {
  if (bytes > size_ - next_) {
    if (size_ == kLargestPickle) {
      fail(ErrorCode::kFileUnsupported, "invalid pickle in ", name(), ": expected at most ", kLargestPickle,
           " bytes, received more. In Python, torch.save(model.state_dict(), \"weights.pt\") writes only the weights.");
    }
    fail(ErrorCode::kFileCorrupt, "invalid pickle in ", name(), " at byte ", position(), ": expected ", bytes,
         " more bytes, received ", size_ - next_, ". The file is damaged or truncated; download or save it again.");
  }
  fill(next_ + bytes);
  const std::string_view taken(buffer_.get() + next_, bytes);
  next_ += bytes;
  return taken;
}

std::string_view Input::line() {
  const uint64_t most = std::min(kLongestLine, size_ - next_);
  fill(next_ + most);
  const std::string_view ahead(buffer_.get() + next_, most);
  const size_t end = ahead.find('\n');
  if (end == std::string_view::npos) {
    fail(ErrorCode::kFileCorrupt, "invalid pickle in ", name(), " at byte ", position(),
         ": expected a line, received no line feed. The file is damaged; download or save it again.");
  }
  next_ += end + 1;
  return ahead.substr(0, end);
}

void Input::fill(uint64_t until) {
  if (until <= filled_) return;
  const uint64_t target = std::min(size_, std::max(until, filled_ + kChunk));
  source_.read(begin_ + filled_, buffer_.get() + filled_, target - filled_);
  filled_ = target;
}

}  // namespace reviewkd::pickle
