// Files of weights as detectors read them.
#include <gtest/gtest.h>

#include "core/models/detection/detector_file.h"

namespace reviewkd::tests::detector_file {
namespace {

using detection::describe_file;
using detection::ExtraLevels;
using detection::FileNames;

EntryShapes entries(const std::vector<std::string>& names) {
  EntryShapes shapes;
  for (const auto& name : names) shapes.emplace_back(name, std::vector<int64_t>{4, 1});
  return shapes;
}

FileNames names_of(const std::vector<std::string>& names) { return describe_file(entries(names)).names; }
std::optional<DetectorKind> kind_of(const std::vector<std::string>& names) {
  return describe_file(entries(names)).kind;
}

TEST(DetectorFile, KnowsWhoseNamesItHas) {
  EXPECT_EQ(names_of({"backbone.body.conv1.weight", "rpn.head.conv.0.0.weight"}), FileNames::kTorchvision);
  EXPECT_EQ(names_of({"backbone.body.conv1.weight", "rpn.head.conv.weight"}), FileNames::kTorchvisionOld);
  EXPECT_EQ(names_of({"backbone.fpn.inner_blocks.0.bias"}), FileNames::kTorchvisionOld);
  EXPECT_EQ(names_of({"roi_heads.mask_head.mask_fcn1.weight"}), FileNames::kTorchvisionOld);
  EXPECT_EQ(names_of({"roi_heads.mask_head.mask_fcn1.weight", "roi_heads.mask_head.deconv.weight"}),
            FileNames::kDetectron2);
  EXPECT_EQ(names_of({"backbone.bottom_up.stem.conv1.weight"}), FileNames::kDetectron2);
  EXPECT_EQ(names_of({"head.cls_subnet.0.weight"}), FileNames::kDetectron2);
}

TEST(DetectorFile, KnowsWhoseNamesABackboneHas) {
  EXPECT_EQ(names_of({"conv1.weight", "layer1.0.conv1.weight", "fc.weight"}), FileNames::kTorchvision);
  EXPECT_EQ(names_of({"stem.conv1.weight", "res2.0.conv1.weight"}), FileNames::kDetectron2);
  EXPECT_EQ(names_of({"conv1_w", "res2_0_branch2a_w"}), FileNames::kDetectron2);
  // MobileNetV2 in either layout was trained with PyTorch.
  EXPECT_EQ(names_of({"features.1.conv.0.0.weight"}), FileNames::kTorchvision);
  EXPECT_EQ(names_of({"features.1.conv.0.weight"}), FileNames::kTorchvision);
}

TEST(DetectorFile, KnowsTheKindByItsHeads) {
  EXPECT_EQ(kind_of({"backbone.body.conv1.weight", "roi_heads.box_head.fc6.weight"}), DetectorKind::kFasterRcnn);
  EXPECT_EQ(kind_of({"roi_heads.box_head.fc1.weight", "roi_heads.mask_head.deconv.weight"}), DetectorKind::kMaskRcnn);
  EXPECT_EQ(kind_of({"head.classification_head.cls_logits.weight"}), DetectorKind::kRetinaNet);
  EXPECT_EQ(kind_of({"head.cls_subnet.0.weight"}), DetectorKind::kRetinaNet);
  EXPECT_EQ(kind_of({"conv1.weight", "fc.weight"}), std::nullopt);
}

TEST(DetectorFile, KnowsWhatP6IsComputedFrom) {
  const auto extra = [](const char* name, int64_t channels) {
    return describe_file({{name, {256, channels, 3, 3}}}).extra;
  };
  EXPECT_EQ(extra("backbone.fpn.extra_blocks.p6.weight", 256), ExtraLevels::kFromP5);
  EXPECT_EQ(extra("backbone.top_block.p6.weight", 2048), ExtraLevels::kFromC5);
  EXPECT_EQ(extra("backbone.fpn.extra_blocks.p7.weight", 256), std::nullopt);
}

}  // namespace
}  // namespace reviewkd::tests::detector_file
