#include "formats/coco/run_length_mask.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"

namespace reviewkd {
namespace {

// A character of a compressed string holds five bits of a number, lowest first; a sixth says that more follow.
constexpr int kFirstCharacter = 48;
constexpr int kBitsPerCharacter = 5;
constexpr int kPayload = 0x1F, kSign = 0x10, kMore = 0x20;
// Seven characters hold 35 bits; differences of runs have 33.
constexpr int kMostCharacters = 7;

// Columns that are transposed at a time, so that each cache line of a row is read once.
constexpr int64_t kColumns = 64;

/// Collects runs and checks them against the size of the mask.
class CheckedRuns {
 public:
  CheckedRuns(int64_t height, int64_t width, const std::string& what)
      : mask_{height, width, {}}, what_(what), left_(height * width) {}

  void add(int64_t run) {
    if (run < 0) {
      fail(ErrorCode::kInvalidArgument, "invalid ", what_, ": expected runs ≥ 0, received ", run,
           ". Its counts are damaged.");
    }
    // Runs of length 0 would otherwise take memory without end.
    if (run > left_ || static_cast<int64_t>(mask_.counts.size()) > mask_.pixels()) wrong_total("more");
    left_ -= run;
    mask_.counts.push_back(static_cast<uint32_t>(run));
  }

  int64_t two_before() const { return mask_.counts[mask_.counts.size() - 2]; }
  size_t size() const { return mask_.counts.size(); }

  RunLengthMask finish() {
    if (left_ > 0) wrong_total("fewer");
    return std::move(mask_);
  }

 private:
  [[noreturn]] void wrong_total(const char* received) const {
    fail(ErrorCode::kInvalidArgument, "invalid ", what_, ": expected runs that add up to its ", mask_.height, " × ",
         mask_.width, " pixels, received ", received,
         ". Pass the size, [height, width], of the image it was made for.");
  }

  RunLengthMask mask_;
  const std::string& what_;
  int64_t left_;
};

/// The number that begins at `position`, which moves behind it.
int64_t read_number(std::string_view text, size_t& position, const std::string& what) {
  int64_t value = 0;
  for (int k = 0; k < kMostCharacters; ++k) {
    if (position == text.size())
      fail(ErrorCode::kInvalidArgument, "invalid ", what,
           ": its string of counts ends within a number. It is truncated.");
    const int code = static_cast<unsigned char>(text[position++]) - kFirstCharacter;
    if (code < 0 || code > (kPayload | kMore)) {
      fail(ErrorCode::kInvalidArgument, "invalid ", what, ": expected characters from \"0\" to \"o\" in its counts, ",
           "received another at position ", position - 1, ". Pass a string that COCO's tools wrote.");
    }
    value |= static_cast<int64_t>(code & kPayload) << (kBitsPerCharacter * k);
    if ((code & kMore) == 0) {
      return (code & kSign) != 0 ? value - (int64_t{1} << (kBitsPerCharacter * (k + 1))) : value;
    }
  }
  fail(ErrorCode::kInvalidArgument, "invalid ", what,
       ": expected numbers of at most 32 bits in its counts, received a ",
       "larger one. Pass a string that COCO's tools wrote.");
}

}  // namespace

void check_mask_size(int64_t height, int64_t width, const std::string& what) {
  if (height >= 0 && width >= 0 && (height == 0 || width <= kMostMaskPixels / height)) return;
  fail(ErrorCode::kInvalidArgument, "invalid size of ", what,
       ": expected a height and a width ≥ 0 with fewer than 2^31 ", "pixels, received ", height, " × ", width,
       ". Split the image.");
}

RunLengthMask mask_of_counts(std::span<const double> counts, int64_t height, int64_t width, const std::string& what) {
  check_mask_size(height, width, what);
  CheckedRuns runs(height, width, what);
  for (const double count : counts) {
    if (!(count >= 0 && count <= static_cast<double>(kMostMaskPixels)) ||
        count != static_cast<double>(static_cast<int64_t>(count))) {
      fail(ErrorCode::kInvalidArgument, "invalid ", what,
           ": expected whole numbers from 0 to 2^31 - 1 as counts, received ", count, ".");
    }
    runs.add(static_cast<int64_t>(count));
  }
  return runs.finish();
}

RunLengthMask mask_of_string(std::string_view text, int64_t height, int64_t width, const std::string& what) {
  check_mask_size(height, width, what);
  CheckedRuns runs(height, width, what);
  for (size_t position = 0; position < text.size();) {
    const int64_t number = read_number(text, position, what);
    // From the fourth on, numbers are differences to the run of the same value before.
    runs.add(runs.size() > 2 ? number + runs.two_before() : number);
  }
  return runs.finish();
}

std::string string_of_mask(const RunLengthMask& mask) {
  std::string text;
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    int64_t rest = mask.counts[i];
    if (i > 2) rest -= mask.counts[i - 2];
    for (bool more = true; more;) {
      int code = static_cast<int>(rest & kPayload);
      rest >>= kBitsPerCharacter;
      more = (code & kSign) != 0 ? rest != -1 : rest != 0;
      if (more) code |= kMore;
      text += static_cast<char>(code + kFirstCharacter);
    }
  }
  return text;
}

RunLengthMask encode_mask(const uint8_t* pixels, int64_t height, int64_t width) {
  check_mask_size(height, width, "mask");
  RunBuilder runs;
  std::vector<uint8_t> columns(static_cast<size_t>(std::min(width, kColumns) * height));
  for (int64_t first = 0; first < width; first += kColumns) {
    const int64_t count = std::min(kColumns, width - first);
    for (int64_t y = 0; y < height; ++y) {
      const uint8_t* row = pixels + y * width + first;
      for (int64_t x = 0; x < count; ++x) columns[static_cast<size_t>(x * height + y)] = row[x] != 0;
    }
    const uint8_t* const end = columns.data() + count * height;
    for (const uint8_t* begin = columns.data(); begin != end;) {
      const void* other = std::memchr(begin, *begin == 0 ? 1 : 0, static_cast<size_t>(end - begin));
      const uint8_t* next = other == nullptr ? end : static_cast<const uint8_t*>(other);
      runs.add(*begin != 0, static_cast<uint32_t>(next - begin));
      begin = next;
    }
  }
  return {height, width, runs.finish()};
}

void decode_mask(const RunLengthMask& mask, uint8_t* pixels) {
  std::fill_n(pixels, mask.pixels(), uint8_t{0});
  int64_t position = 0;
  for (size_t i = 0; i < mask.counts.size(); position += mask.counts[i++]) {
    if (i % 2 == 0) continue;
    int64_t x = position / mask.height, y = position % mask.height;
    for (uint32_t k = 0; k < mask.counts[i]; ++k) {
      pixels[y * mask.width + x] = 1;
      if (++y == mask.height) {
        y = 0;
        ++x;
      }
    }
  }
}

int64_t mask_area(const RunLengthMask& mask) {
  int64_t area = 0;
  for (size_t i = 1; i < mask.counts.size(); i += 2) area += mask.counts[i];
  return area;
}

XywhBox mask_box(const RunLengthMask& mask) {
  int64_t left = mask.width, top = mask.height, right = -1, bottom = -1;
  int64_t position = 0;
  for (size_t i = 0; i < mask.counts.size(); position += mask.counts[i++]) {
    if (i % 2 == 0 || mask.counts[i] == 0) continue;
    const int64_t last = position + mask.counts[i] - 1;
    left = std::min(left, position / mask.height);
    right = std::max(right, last / mask.height);
    const bool is_one_column = position / mask.height == last / mask.height;
    top = std::min(top, is_one_column ? position % mask.height : 0);
    bottom = std::max(bottom, is_one_column ? last % mask.height : mask.height - 1);
  }
  if (right < 0) return {};
  return {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
          static_cast<double>(bottom - top + 1)};
}

}  // namespace reviewkd
