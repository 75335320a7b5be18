// Runs of masks, their strings, and what is refused.
#include "formats/coco/run_length_mask.h"

#include <gtest/gtest.h>

#include "../support/errors.h"

namespace reviewkd::tests::run_length_mask {
namespace {

// A mask of 3 rows and 4 columns:
//   0 1 1 0
//   0 1 0 0
//   0 1 0 1
const std::vector<uint8_t> kPixels{0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1};
const std::vector<uint32_t> kCounts{3, 4, 4, 1};

RunLengthMask small_mask() { return encode_mask(kPixels.data(), 3, 4); }

RunLengthMask of_counts(const std::vector<double>& counts, int64_t height, int64_t width) {
  return mask_of_counts(counts, height, width, "mask");
}

TEST(RunLengthMask, CountsRunsColumnByColumnBeginningWithZeros) {
  EXPECT_EQ(small_mask().counts, kCounts);
  const uint8_t ones[4] = {1, 1, 1, 1};
  EXPECT_EQ(encode_mask(ones, 2, 2).counts, (std::vector<uint32_t>{0, 4}));
  EXPECT_EQ(encode_mask(nullptr, 0, 5).counts, std::vector<uint32_t>{0});
}

TEST(RunLengthMask, CountsEveryPixelThatIsNotZeroAsOne) {
  const uint8_t pixels[4] = {1, 255, 2, 0};
  EXPECT_EQ(encode_mask(pixels, 2, 2).counts, (std::vector<uint32_t>{0, 3, 1}));
}

TEST(RunLengthMask, IsDecodedToThePixelsItWasMadeOf) {
  std::vector<uint8_t> pixels(kPixels.size(), 7);
  decode_mask(small_mask(), pixels.data());
  EXPECT_EQ(pixels, kPixels);
}

TEST(RunLengthMask, ContinuesRunsFromOneBlockOfColumnsToTheNext) {
  constexpr int64_t kHeight = 3, kWidth = 200;
  const std::vector<uint8_t> ones(kHeight * kWidth, 1);
  EXPECT_EQ(encode_mask(ones.data(), kHeight, kWidth).counts, (std::vector<uint32_t>{0, kHeight * kWidth}));
}

TEST(RunLengthMask, WritesDifferencesFromTheFourthRunOn) {
  // 3, 4, 4, and 1 - 4 = -3: its five bits are 11101 with the sign bit set, 29 + 48 = "M".
  EXPECT_EQ(string_of_mask(small_mask()), "344M");
  // 100 = 3 · 32 + 4: "4" with the bit for more, 4 + 32 + 48 = "T", then "3".
  EXPECT_EQ(string_of_mask(of_counts({100}, 10, 10)), "T3");
  EXPECT_EQ(mask_of_string("344M", 3, 4, "mask").counts, kCounts);
  EXPECT_EQ(mask_of_string("T3", 10, 10, "mask").counts, std::vector<uint32_t>{100});
}

TEST(RunLengthMask, WritesTheLargestRunsAndDifferencesBack) {
  // The fourth run is 2^30 - 2 shorter than the second.
  const RunLengthMask mask = of_counts({1, 1073741824, 1, 2}, 1, 1073741828);
  EXPECT_EQ(mask_of_string(string_of_mask(mask), 1, 1073741828, "mask").counts, mask.counts);
}

TEST(RunLengthMask, MeasuresItsAreaAndBox) {
  EXPECT_EQ(mask_area(small_mask()), 5);
  const XywhBox box = mask_box(small_mask());
  EXPECT_EQ((std::vector<double>{box.x, box.y, box.width, box.height}), (std::vector<double>{1, 0, 3, 3}));
}

TEST(RunLengthMask, HasABoxOfTheFullHeightWhereARunCrossesColumns) {
  // Row 2 of column 0 and row 0 of column 1.
  const XywhBox box = mask_box(of_counts({2, 2, 2}, 3, 2));
  EXPECT_EQ((std::vector<double>{box.x, box.y, box.width, box.height}), (std::vector<double>{0, 0, 2, 3}));
}

TEST(RunLengthMask, HasAnEmptyBoxWithoutOnes) {
  for (const auto& counts : {std::vector<double>{6}, {2, 0, 4}}) {
    const XywhBox box = mask_box(of_counts(counts, 3, 2));
    EXPECT_EQ((std::vector<double>{box.x, box.y, box.width, box.height}), std::vector<double>(4));
  }
}

TEST(RunLengthMask, RefusesRunsThatDoNotAddUpToItsPixels) {
  for (const auto& counts : {std::vector<double>{5}, {7}, {3, 4}, {}, {0, 0, 0, 0, 0, 0, 0, 0, 6}}) {
    const Error error = error_of([&] { of_counts(counts, 3, 2); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("expected runs that add up to its 3 × 2 pixels"), std::string::npos);
  }
}

TEST(RunLengthMask, RefusesCountsThatAreNoRuns) {
  for (const double count : {-1.0, 0.5, 1e300, std::numeric_limits<double>::infinity(), std::nan("")})
    EXPECT_EQ(code_of([&] { of_counts({count}, 3, 2); }), "INVALID_ARGUMENT");
}

TEST(RunLengthMask, RefusesStringsThatAreDamaged) {
  const std::pair<const char*, const char*> cases[] = {
      {"34/M", "expected characters from \"0\" to \"o\""},  // below "0"
      {"34pM", "expected characters from \"0\" to \"o\""},  // above "o"
      {"344m", "ends within a number"},                     // more is missing
      {"oooooooo0", "expected numbers of at most 32 bits"},
      {"N", "expected runs ≥ 0"},    // -2
      {"344G", "expected runs ≥ 0"},  // 4 - 9
      {"34", "received fewer"},
      {"T3", "received more"},
      {"", "received fewer"},
  };
  for (const auto& [text, message] : cases) {
    const Error error = error_of([&] { mask_of_string(text, 3, 4, "mask"); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

TEST(RunLengthMask, RefusesMoreRunsThanPixels) {
  // A megabyte of empty runs.
  EXPECT_EQ(code_of([] { mask_of_string(std::string(1 << 20, '0'), 3, 4, "mask"); }), "INVALID_ARGUMENT");
}

TEST(RunLengthMask, RefusesSizesBelowZeroAndBeyond32Bits) {
  const std::pair<int64_t, int64_t> sizes[] = {
      {-1, 5}, {5, -1}, {1'000'000'000, 1'000'000'000}, {1, int64_t{1} << 31}, {int64_t{1} << 62, 4}};
  for (const auto& [height, width] : sizes)
    EXPECT_EQ(code_of([&, h = height, w = width] { of_counts({0}, h, w); }), "INVALID_ARGUMENT");
  EXPECT_EQ(of_counts({2147483647}, 1, 2147483647).pixels(), kMostMaskPixels);
}

}  // namespace
}  // namespace reviewkd::tests::run_length_mask
