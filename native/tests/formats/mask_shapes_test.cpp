// Masks of polygons and boxes. Comparisons with pycocotools are goldens (test/unit/detection).
#include "formats/coco/mask_shapes.h"

#include <gtest/gtest.h>

#include <array>

#include "../support/errors.h"

namespace reviewkd::tests::mask_shapes {
namespace {

RunLengthMask of_polygons(const std::vector<std::vector<double>>& polygons, int64_t height, int64_t width) {
  return mask_of_polygons({polygons.begin(), polygons.end()}, height, width, "mask");
}

TEST(MaskShapes, FillABox) {
  // Columns 1 and 2 of rows 1 to 3, in an image of 5 rows and 4 columns.
  EXPECT_EQ(mask_of_box({1, 1, 2, 3}, 5, 4, "box").counts, (std::vector<uint32_t>{6, 3, 2, 3, 6}));
}

TEST(MaskShapes, AreTheSameForBothDirectionsOfAnOutline) {
  const std::vector<double> forwards{1.3, 0.4, 8.6, 2.2, 5.1, 7.9}, backwards{5.1, 7.9, 8.6, 2.2, 1.3, 0.4};
  EXPECT_EQ(of_polygons({forwards}, 9, 10).counts, of_polygons({backwards}, 9, 10).counts);
}

TEST(MaskShapes, AreTheUnionOfSeveralPolygons) {
  const std::vector<double> left{0, 0, 2, 0, 2, 4, 0, 4}, middle{1, 0, 3, 0, 3, 4, 1, 4};
  EXPECT_EQ(of_polygons({left, middle}, 4, 4).counts, (std::vector<uint32_t>{0, 12, 4}));
}

TEST(MaskShapes, AreCutOffAtTheImage) {
  EXPECT_EQ(mask_of_box({-10, -10, 12, 100}, 4, 4, "box").counts, (std::vector<uint32_t>{0, 8, 8}));
  EXPECT_EQ(mask_of_box({20, 20, 5, 5}, 4, 4, "box").counts, std::vector<uint32_t>{16});
}

TEST(MaskShapes, AreEmptyForAPolygonWithoutAnInside) {
  EXPECT_EQ(of_polygons({{1, 1, 3, 1, 3, 1}}, 4, 4).counts, std::vector<uint32_t>{16});
  EXPECT_EQ(of_polygons({{2, 2, 2, 2, 2, 2}}, 4, 4).counts, std::vector<uint32_t>{16});
  EXPECT_EQ(of_polygons({{0, 0, 1, 0, 1, 1}}, 0, 0).counts, std::vector<uint32_t>{0});
}

TEST(MaskShapes, RefuseListsThatAreNoPolygons) {
  for (const auto& polygon : {std::vector<double>{}, {1, 1}, {1, 1, 2, 2}, {1, 1, 2, 2, 3, 3, 4}}) {
    const Error error = error_of([&] { of_polygons({polygon}, 4, 4); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("even count of at least 6 numbers"), std::string::npos);
  }
  EXPECT_EQ(code_of([] { of_polygons({}, 4, 4); }), "INVALID_ARGUMENT");
}

TEST(MaskShapes, RefuseCoordinatesThatAreNotFiniteOrFarAway) {
  for (const double far : {std::nan(""), std::numeric_limits<double>::infinity(), 1e9, -1e300})
    EXPECT_EQ(code_of([&] { of_polygons({{0, 0, far, 0, 3, 3}}, 4, 4); }), "INVALID_ARGUMENT");
}

TEST(MaskShapes, RefuseOutlinesWithoutEnd) {
  // A million points, each three million pixels from the next, would take hours.
  std::vector<double> polygon;
  for (int i = 0; i < 1'000'000; ++i) polygon.insert(polygon.end(), {i % 2 == 0 ? 0.0 : 3e6, 1});
  const Error error = error_of([&] { of_polygons({polygon}, 4, 4); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(std::string(error.what()).find("an outline of at most"), std::string::npos);
}

TEST(MaskShapes, AreSplitFromOneList) {
  const std::vector<double> numbers{2, 7, 8, 0, 1, 9};
  const auto polygons = split_polygons(numbers, "mask");
  ASSERT_EQ(polygons.size(), 3u);
  EXPECT_EQ(std::vector<double>(polygons[0].begin(), polygons[0].end()), (std::vector<double>{7, 8}));
  EXPECT_TRUE(polygons[1].empty());
  for (const double length : {2.0, -1.0, 1e300, std::nan("")}) {
    const std::array<double, 2> wrong{length, 1};
    EXPECT_EQ(code_of([&] { split_polygons(wrong, "mask"); }), "INVALID_ARGUMENT") << length;
  }
}

}  // namespace
}  // namespace reviewkd::tests::mask_shapes
