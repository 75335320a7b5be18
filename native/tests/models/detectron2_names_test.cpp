// A detector's entries by detectron2's names, in both directions.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/models/detection/weights/detectron2_names.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::detectron2_names {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Names of a network in both libraries, written out from DETECTION.md's table for one layer each.
const Pairs kBodyPairs = {
    {"backbone.bottom_up.stem.conv1.weight", "backbone.body.conv1.weight"},
    {"backbone.bottom_up.stem.conv1.norm.running_var", "backbone.body.bn1.running_var"},
    {"backbone.bottom_up.res2.0.conv1.weight", "backbone.body.layer1.0.conv1.weight"},
    {"backbone.bottom_up.res2.0.conv3.norm.bias", "backbone.body.layer1.0.bn3.bias"},
    {"backbone.bottom_up.res4.22.conv2.norm.weight", "backbone.body.layer3.22.bn2.weight"},
    {"backbone.bottom_up.res5.0.shortcut.weight", "backbone.body.layer4.0.downsample.0.weight"},
    {"backbone.bottom_up.res5.0.shortcut.norm.running_mean", "backbone.body.layer4.0.downsample.1.running_mean"},
    {"backbone.bottom_up.features.0.0.weight", "backbone.body.0.0.weight"},
    {"backbone.bottom_up.features.0.1.bias", "backbone.body.0.1.bias"},
    {"backbone.bottom_up.features.1.conv.0.weight", "backbone.body.1.conv.0.0.weight"},
    {"backbone.bottom_up.features.1.conv.1.bias", "backbone.body.1.conv.0.1.bias"},
    {"backbone.bottom_up.features.1.conv.3.weight", "backbone.body.1.conv.1.weight"},
    {"backbone.bottom_up.features.1.conv.4.bias", "backbone.body.1.conv.2.bias"},
    {"backbone.bottom_up.features.17.conv.0.weight", "backbone.body.17.conv.0.0.weight"},
    {"backbone.bottom_up.features.17.conv.1.bias", "backbone.body.17.conv.0.1.bias"},
    {"backbone.bottom_up.features.17.conv.3.weight", "backbone.body.17.conv.1.0.weight"},
    {"backbone.bottom_up.features.17.conv.4.bias", "backbone.body.17.conv.1.1.bias"},
    {"backbone.bottom_up.features.17.conv.6.weight", "backbone.body.17.conv.2.weight"},
    {"backbone.bottom_up.features.17.conv.7.bias", "backbone.body.17.conv.3.bias"},
};

const Pairs kMaskRcnnPairs = {
    {"backbone.fpn_lateral2.weight", "backbone.fpn.inner_blocks.0.0.weight"},
    {"backbone.fpn_output5.bias", "backbone.fpn.layer_blocks.3.0.bias"},
    {"proposal_generator.rpn_head.conv.weight", "rpn.head.conv.0.0.weight"},
    {"proposal_generator.rpn_head.objectness_logits.bias", "rpn.head.cls_logits.bias"},
    {"proposal_generator.rpn_head.anchor_deltas.weight", "rpn.head.bbox_pred.weight"},
    {"roi_heads.box_head.fc1.weight", "roi_heads.box_head.fc6.weight"},
    {"roi_heads.box_head.fc2.bias", "roi_heads.box_head.fc7.bias"},
    {"roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.weight"},
    {"roi_heads.box_predictor.bbox_pred.bias", "roi_heads.box_predictor.bbox_pred.bias"},
    {"roi_heads.mask_head.mask_fcn1.weight", "roi_heads.mask_head.0.0.weight"},
    {"roi_heads.mask_head.mask_fcn4.bias", "roi_heads.mask_head.3.0.bias"},
    {"roi_heads.mask_head.deconv.weight", "roi_heads.mask_predictor.conv5_mask.weight"},
    {"roi_heads.mask_head.predictor.bias", "roi_heads.mask_predictor.mask_fcn_logits.bias"},
};

const Pairs kRetinaNetPairs = {
    {"backbone.fpn_lateral3.weight", "backbone.fpn.inner_blocks.0.0.weight"},
    {"backbone.fpn_output5.bias", "backbone.fpn.layer_blocks.2.0.bias"},
    {"backbone.top_block.p6.weight", "backbone.fpn.extra_blocks.p6.weight"},
    {"backbone.top_block.p7.bias", "backbone.fpn.extra_blocks.p7.bias"},
    {"head.cls_subnet.0.weight", "head.classification_head.conv.0.0.weight"},
    {"head.cls_subnet.6.bias", "head.classification_head.conv.3.0.bias"},
    {"head.bbox_subnet.2.weight", "head.regression_head.conv.1.0.weight"},
    {"head.cls_score.bias", "head.classification_head.cls_logits.bias"},
    {"head.bbox_pred.weight", "head.regression_head.bbox_reg.weight"},
};

/// 36 rows fit every entry: one image's worth of 9 anchors with 4 rows, or 9 boxes.
constexpr int64_t kRows = 36;

at::Tensor numbered(int64_t rows) { return at::arange(static_cast<double>(rows), at::kDouble).view({rows, 1}); }

std::vector<double> values(const NamedTensors& state, size_t index = 0) {
  const at::Tensor flat = state.at(index).second.flatten().contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

void expect_names(const Pairs& pairs, DetectorKind kind, int64_t anchors) {
  for (const auto& [detectron2, torchvision] : pairs) {
    EXPECT_EQ(to_detectron2({{torchvision, numbered(kRows)}}, kind, anchors).at(0).first, detectron2);
    EXPECT_EQ(from_detectron2({{detectron2, numbered(kRows)}}, kind, anchors).at(0).first, torchvision);
  }
}

TEST(Detectron2Names, AreThoseOfTheTable) {
  expect_names(kBodyPairs, DetectorKind::kFasterRcnn, 3);
  expect_names(kBodyPairs, DetectorKind::kRetinaNet, 9);
  expect_names(kMaskRcnnPairs, DetectorKind::kMaskRcnn, 3);
  expect_names(kRetinaNetPairs, DetectorKind::kRetinaNet, 9);
}

TEST(Detectron2Names, RollTheBackgroundOfClassScores) {
  const std::string name = "roi_heads.box_predictor.cls_score.weight";
  const auto theirs = to_detectron2({{name, numbered(4)}}, DetectorKind::kFasterRcnn, 3);
  EXPECT_EQ(values(theirs), (std::vector<double>{1, 2, 3, 0}));
  EXPECT_EQ(values(from_detectron2(theirs, DetectorKind::kFasterRcnn, 3)), (std::vector<double>{0, 1, 2, 3}));
}

TEST(Detectron2Names, DropTheBackgroundOfBoxesAndMasks) {
  const NamedTensors own = {{"roi_heads.box_predictor.bbox_pred.weight", numbered(12)},
                            {"roi_heads.mask_predictor.mask_fcn_logits.bias", numbered(3).flatten()}};
  const auto theirs = to_detectron2(own, DetectorKind::kMaskRcnn, 3);
  EXPECT_EQ(values(theirs, 0), (std::vector<double>{4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values(theirs, 1), (std::vector<double>{1, 2}));
  const auto back = from_detectron2(theirs, DetectorKind::kMaskRcnn, 3);
  EXPECT_EQ(values(back, 0), (std::vector<double>{0, 0, 0, 0, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values(back, 1), (std::vector<double>{0, 1, 2}));
}

TEST(Detectron2Names, OrderTheAnchorsOfARetinaNetBySize) {
  // Block r · 3 + s of torchvision is block s · 3 + r of detectron2; two classes.
  const auto scores =
      to_detectron2({{"head.classification_head.cls_logits.weight", numbered(18)}}, DetectorKind::kRetinaNet, 9);
  EXPECT_EQ(values(scores), (std::vector<double>{0, 1, 6, 7, 12, 13, 2, 3, 8, 9, 14, 15, 4, 5, 10, 11, 16, 17}));
  // Two sizes, so that the way there is not the way back.
  const NamedTensors boxes = {{"head.regression_head.bbox_reg.bias", numbered(24).flatten()}};
  const auto theirs = to_detectron2(boxes, DetectorKind::kRetinaNet, 6);
  EXPECT_EQ(values(theirs), (std::vector<double>{0, 1, 2, 3, 8,  9,  10, 11, 16, 17, 18, 19,  //
                                                 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23}));
  EXPECT_EQ(values(from_detectron2(theirs, DetectorKind::kRetinaNet, 6)), values(boxes));
}

TEST(Detectron2Names, KeepTheOrderOfAnchorsOfOneSize) {
  const NamedTensors own = {{"rpn.head.cls_logits.weight", numbered(3)}, {"rpn.head.bbox_pred.weight", numbered(12)}};
  const auto theirs = to_detectron2(own, DetectorKind::kFasterRcnn, 3);
  EXPECT_EQ(values(theirs, 0), values(own, 0));
  EXPECT_EQ(values(theirs, 1), values(own, 1));
}

TEST(Detectron2Names, AreInverseWhereNothingIsDropped) {
  const auto expect_inverse = [](const Pairs& pairs, DetectorKind kind) {
    NamedTensors own;
    for (const auto& [detectron2, torchvision] : pairs) {
      if (torchvision.find("bbox_pred.bias") == std::string::npos &&
          torchvision.find("mask_fcn_logits") == std::string::npos)
        own.emplace_back(torchvision, noise_tensor({kRows, 2}, static_cast<int64_t>(own.size())));
    }
    const auto back = from_detectron2(to_detectron2(own, kind, 9), kind, 9);
    ASSERT_EQ(back.size(), own.size());
    for (size_t i = 0; i < own.size(); ++i) {
      EXPECT_EQ(back[i].first, own[i].first);
      EXPECT_TRUE(at::equal(back[i].second, own[i].second)) << own[i].first;
    }
  };
  expect_inverse(kBodyPairs, DetectorKind::kFasterRcnn);
  expect_inverse(kMaskRcnnPairs, DetectorKind::kMaskRcnn);
  expect_inverse(kRetinaNetPairs, DetectorKind::kRetinaNet);
}

TEST(Detectron2Names, KeepUnknownNamesAndDropConstants) {
  const NamedTensors file = {{"kd_trans.abfs.0.conv1.0.weight", numbered(1)},
                             {"pixel_mean", numbered(3)},
                             {"pixel_std", numbered(3)},
                             {"anchor_generator.cell_anchors.0", numbered(9)},
                             {"proposal_generator.anchor_generator.cell_anchors.4", numbered(3)}};
  const auto own = from_detectron2(file, DetectorKind::kRetinaNet, 9);
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].first, "kd_trans.abfs.0.conv1.0.weight");
  EXPECT_EQ(to_detectron2({{"pixel_mean", numbered(3)}}, DetectorKind::kRetinaNet, 9).size(), 1u);
}

TEST(Detectron2Names, LeaveTrainedParametersAlone) {
  const at::Tensor weight = numbered(4).requires_grad_(true);
  const auto theirs =
      to_detectron2({{"roi_heads.box_predictor.cls_score.weight", weight}}, DetectorKind::kFasterRcnn, 3);
  EXPECT_FALSE(theirs[0].second.requires_grad());
  EXPECT_TRUE(at::equal(weight.detach(), numbered(4)));
}

TEST(Detectron2Names, RefuseRowsThatDoNotFit) {
  const auto code = [](const std::string& name, const at::Tensor& tensor, DetectorKind kind) {
    return code_of([&] { from_detectron2({{name, tensor}}, kind, 9); });
  };
  EXPECT_EQ(code("head.cls_score.weight", numbered(10), DetectorKind::kRetinaNet), "STATE_DICT_MISMATCH");
  EXPECT_EQ(code("head.cls_score.weight", numbered(0), DetectorKind::kRetinaNet), "STATE_DICT_MISMATCH");
  EXPECT_EQ(code("head.bbox_pred.bias", at::zeros({}), DetectorKind::kRetinaNet), "STATE_DICT_MISMATCH");
  EXPECT_EQ(code("roi_heads.box_predictor.cls_score.bias", at::zeros({}), DetectorKind::kFasterRcnn),
            "STATE_DICT_MISMATCH");
  EXPECT_EQ(code("roi_heads.box_predictor.bbox_pred.bias", numbered(7), DetectorKind::kFasterRcnn),
            "STATE_DICT_MISMATCH");
  for (const int64_t anchors : {0, -3, 4})
    EXPECT_EQ(code_of([&] { to_detectron2({}, DetectorKind::kRetinaNet, anchors); }), "INVALID_ARGUMENT");
}

TEST(Detectron2Names, AreRecognizedByThoseOfDetectron2Alone) {
  EXPECT_TRUE(
      has_detectron2_names({{"roi_heads.box_predictor.cls_score.weight", {}}, {"backbone.fpn_lateral2.bias", {}}}));
  EXPECT_FALSE(
      has_detectron2_names({{"roi_heads.box_predictor.cls_score.weight", {}}, {"rpn.head.cls_logits.bias", {}}}));
}

}  // namespace
}  // namespace reviewkd::tests::detectron2_names
