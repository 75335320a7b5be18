#include "core/data/resized_crop.h"

#include <cmath>

#include "core/base/error.h"
#include "core/base/random.h"

namespace reviewkd {
namespace {

/// The largest central window with an allowed ratio.
Window central_window(int64_t height, int64_t width, const ResizedCropOptions& options) {
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  Window window{.top = 0, .left = 0, .height = height, .width = width, .flip = false};
  if (ratio < options.narrowest) {
    window.height = std::lrint(static_cast<double>(width) / options.narrowest);
  } else if (ratio > options.widest) {
    window.width = std::lrint(static_cast<double>(height) * options.widest);
  }
  window.top = (height - window.height) / 2;
  window.left = (width - window.width) / 2;
  return window;
}

Window draw_window(RandomStream& random, int64_t height, int64_t width, const ResizedCropOptions& options) {
  constexpr int kAttempts = 10;
  const double area = static_cast<double>(height) * static_cast<double>(width);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double target = area * random.uniform(options.smallest_area, options.largest_area);
    const double ratio = std::exp(random.uniform(std::log(options.narrowest), std::log(options.widest)));
    // lrint rounds halves to even, as Python's round() does.
    const int64_t w = std::lrint(std::sqrt(target * ratio));
    const int64_t h = std::lrint(std::sqrt(target / ratio));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const auto top = static_cast<int64_t>(random.below(height - h + 1));
    const auto left = static_cast<int64_t>(random.below(width - w + 1));
    return {.top = top, .left = left, .height = h, .width = w, .flip = false};
  }
  return central_window(height, width, options);
}

}  // namespace

ResizedCropOptions ResizedCropOptions::from(const Options& options) {
  const auto range = [&](const char* field) {
    const std::vector<double> numbers = options.numbers(field);
    if (numbers.size() != 2)
      fail(ErrorCode::kInvalidArgument, "invalid ", options.path(field), ": expected two numbers, received ",
           numbers.size(), ".");
    return std::pair{numbers[0], numbers[1]};
  };
  const auto [smallest, largest] = range("scale");
  const auto [narrowest, widest] = range("ratio");
  return {.smallest_area = smallest, .largest_area = largest, .narrowest = narrowest, .widest = widest};
}

Window random_resized_crop(uint64_t seed, int64_t epoch, int64_t index, int64_t height, int64_t width,
                           const ResizedCropOptions& options) {
  if (height < 1 || width < 1)
    fail(ErrorCode::kInvalidArgument, "invalid image size: expected a height and width of 1 or more, received ", height,
         " and ", width, ".");
  // The tag separates these draws from those of the data order.
  constexpr uint64_t kTag = 0x77696e646f77;  // "window"
  RandomStream random(key_of({kTag, seed, static_cast<uint64_t>(epoch), static_cast<uint64_t>(index)}));
  // Drawn first, so that it does not depend on the number of attempts.
  const bool flip = random.below(2) == 1;
  Window window = draw_window(random, height, width, options);
  window.flip = flip;
  return window;
}

}  // namespace reviewkd
