// Columns of instances, and their masks decoded image by image.
#include "core/data/detection/instance_table.h"

#include <gtest/gtest.h>

#include "../support/errors.h"

namespace reviewkd::tests::instance_table {
namespace {

/// A detection for each of two images of 2 × 3 pixels: a string, and a polygon without a box.
InstanceRows two_rows() {
  InstanceRows rows;
  rows.first = 40;
  rows.image = {1, 0};
  rows.category = {5, 6};
  rows.flags = {InstanceRows::kHasBox, 0};
  rows.values = {0, 0, 10, 20, 0, 0.5, 0, 0, 0, 0, 0, 0.25};
  rows.forms = {static_cast<uint8_t>(SegmentationForm::kString), static_cast<uint8_t>(SegmentationForm::kPolygons)};
  rows.sizes = {2, 3, 0, 0};
  rows.number_ends = {0, 9};
  rows.text_ends = {3, 3};
  rows.numbers = {8, 0, 0, 0, 2, 2, 2, 2, 0};
  rows.text = "042";
  return rows;
}

InstanceTable table_with(InstanceRows rows, OverlapKind kind = OverlapKind::kMasks) {
  InstanceTable table(kind);
  table.add_images({{100, 2, 3}, {200, 2, 3}});
  table.add(std::move(rows));
  return table;
}

TEST(InstanceTable, DecodesMasksByImage) {
  const auto images = table_with(two_rows()).images(0, 2);
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].image, 100);
  ASSERT_EQ(images[0].detections.size(), 1u);
  EXPECT_EQ(images[0].detections[0].category, 6);
  EXPECT_EQ(images[0].detections[0].mask.counts, (std::vector<uint32_t>{0, 4, 2}));
  EXPECT_EQ(images[1].detections[0].mask.counts, (std::vector<uint32_t>{0, 4, 2}));
  EXPECT_EQ(images[1].detections[0].score, 0.5);
}

TEST(InstanceTable, MeasuresDetectionsByTheirBoxOrElseByTheirMask) {
  const auto images = table_with(two_rows()).images(0, 2);
  EXPECT_EQ(images[1].detections[0].area, 200);
  EXPECT_EQ(images[0].detections[0].area, 4);
  EXPECT_EQ(images[0].detections[0].box.width, 2);
}

TEST(InstanceTable, KeepsNoMasksWhereBoxesAreCompared) {
  const auto images = table_with(two_rows(), OverlapKind::kBoxes).images(0, 2);
  EXPECT_TRUE(images[0].detections[0].mask.counts.empty());
  EXPECT_EQ(images[0].detections[0].box.height, 2);
}

TEST(InstanceTable, NamesTheFirstDamagedSegmentation) {
  InstanceRows rows = two_rows();
  rows.sizes[0] = 3;
  const Error error = error_of([&] { table_with(rows).images(0, 2); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      std::string(error.what()),
      "invalid size of detections[40].segmentation: expected that of image 200, 2 × 3, received 3 × 3. Make masks "
      "in the image's own size.");
  rows.numbers[0] = 7;  // an odd count, of the image that comes first
  EXPECT_EQ(std::string(error_of([&] { table_with(rows).images(0, 2); }).what()).rfind("invalid detections[41]", 0),
            0u);
}

TEST(InstanceTable, RefusesColumnsThatDoNotFit) {
  const auto refused = [](const auto& change) {
    InstanceRows rows = two_rows();
    change(rows);
    return code_of([&] { table_with(rows); }) == "INVALID_ARGUMENT";
  };
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.image[0] = 2; }));
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.category.pop_back(); }));
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.values.pop_back(); }));
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.sizes.pop_back(); }));
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.number_ends = {10, 9}; }));
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.number_ends[1] = 10; }));
  EXPECT_TRUE(refused([](InstanceRows& rows) { rows.text_ends[1] = 4; }));
}

}  // namespace
}  // namespace reviewkd::tests::instance_table
