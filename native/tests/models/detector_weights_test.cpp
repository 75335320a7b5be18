// Weights of detectors and backbones by the names of the files that people have.
#include <gtest/gtest.h>

#include "core/models/detection/weights/detector_weights.h"
#include "tests/support/tensors.h"

namespace reviewkd::tests::detector_weights {
namespace {

std::vector<std::string> names_of(const NamedTensors& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  return names;
}

/// Entries with these names; norms would have one dimension.
NamedTensors named(const std::vector<std::string>& names, at::IntArrayRef shape = {4, 1}) {
  NamedTensors state;
  for (const auto& name : names) state.emplace_back(name, at::ones(shape));
  return state;
}

using Names = std::vector<std::string>;

TEST(DetectorWeights, TakesOffWhateverStandsInFrontOfTheParts) {
  EXPECT_EQ(
      names_of(without_wrapper(named({"module._orig_mod.model.rpn.weight", "module._orig_mod.model.backbone.b"}))),
      (Names{"rpn.weight", "backbone.b"}));
  EXPECT_EQ(names_of(without_wrapper(named({"net.rpn.a", "net.backbone.b", "metric.total"}))),
            (Names{"rpn.a", "backbone.b"}));
  EXPECT_EQ(names_of(without_wrapper(named({"rpn.head.conv.weight", "backbone.body.conv1.weight"}))),
            (Names{"rpn.head.conv.weight", "backbone.body.conv1.weight"}));
  EXPECT_EQ(names_of(without_wrapper(named({"unknown.a", "b"}))), (Names{"unknown.a", "b"}));
  EXPECT_TRUE(without_wrapper(NamedTensors{}).empty());
}

TEST(DetectorWeights, ListAllThatStandsInFrontOfAsManyParts) {
  EXPECT_EQ(wrappers_of(EntryShapes{{"b.rpn.a", {}}, {"a.rpn.a", {}}, {"loss.a", {}}}), (Names{"a.", "b."}));
  EXPECT_EQ(wrappers_of(EntryShapes{{"b.rpn.a", {}}, {"a.rpn.a", {}}, {"a.rpn.b", {}}}), (Names{"a."}));
  EXPECT_TRUE(wrappers_of(EntryShapes{{"loss.a", {}}}).empty());
}

TEST(DetectorWeights, ReplaceTorchvisionsNamesOf2019) {
  const Names old = {
      "rpn.head.conv.weight",
      "backbone.fpn.inner_blocks.3.bias",
      "backbone.fpn.layer_blocks.0.weight",
      "roi_heads.mask_head.mask_fcn1.weight",
      "roi_heads.mask_head.mask_fcn4.bias",
      "head.classification_head.conv.0.weight",
      "head.regression_head.conv.6.bias",
  };
  const Names current = {
      "rpn.head.conv.0.0.weight",
      "backbone.fpn.inner_blocks.3.0.bias",
      "backbone.fpn.layer_blocks.0.0.weight",
      "roi_heads.mask_head.0.0.weight",
      "roi_heads.mask_head.3.0.bias",
      "head.classification_head.conv.0.0.weight",
      "head.regression_head.conv.3.0.bias",
  };
  EXPECT_EQ(names_of(from_torchvision_old(named(old))), current);
  EXPECT_EQ(names_of(from_torchvision_old(named(current))), current);
}

TEST(DetectorWeights, PlaceTorchvisionsImageNetNetworks) {
  EXPECT_EQ(
      names_of(from_backbone(named({"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer4.2.bn3.bias",
                                    "layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias", "fc.weight"}))),
      (Names{"backbone.body.conv1.weight", "backbone.body.bn1.running_var", "backbone.body.layer1.0.conv1.weight",
             "backbone.body.layer4.2.bn3.bias", "backbone.body.layer2.0.downsample.0.weight",
             "backbone.body.layer2.0.downsample.1.bias", "fc.weight"}));
  EXPECT_EQ(
      names_of(from_backbone(named({"features.0.0.weight", "features.1.conv.0.0.weight", "features.1.conv.1.weight",
                                    "features.17.conv.1.1.bias", "features.17.conv.3.running_mean",
                                    "features.18.0.weight", "classifier.1.weight"}))),
      (Names{"backbone.body.0.0.weight", "backbone.body.1.conv.0.0.weight", "backbone.body.1.conv.1.weight",
             "backbone.body.17.conv.1.1.bias", "backbone.body.17.conv.3.running_mean", "features.18.0.weight",
             "classifier.1.weight"}));
}

TEST(DetectorWeights, PlaceTheOriginalMobileNetV2) {
  EXPECT_EQ(names_of(from_backbone(named({"features.0.1.bias", "features.1.conv.0.weight", "features.1.conv.3.weight",
                                          "features.2.conv.0.weight", "features.2.conv.3.weight",
                                          "features.2.conv.7.bias", "features.18.1.bias"}))),
            (Names{"backbone.body.0.1.bias", "backbone.body.1.conv.0.0.weight", "backbone.body.1.conv.1.weight",
                   "backbone.body.2.conv.0.0.weight", "backbone.body.2.conv.1.0.weight", "backbone.body.2.conv.3.bias",
                   "features.18.1.bias"}));
}

TEST(DetectorWeights, PlaceDetectron2sAndCaffe2sBackbonesAlike) {
  const NamedTensors caffe2 =
      named({"conv1_w", "res2_0_branch1_w", "res2_0_branch2a_w", "res5_2_branch2c_w", "fc1000_w"});
  NamedTensors norms = named({"res_conv1_bn_s", "res_conv1_bn_b", "res2_0_branch1_bn_s", "res2_0_branch1_bn_b"}, {4});
  norms.insert(norms.begin(), caffe2.begin(), caffe2.end());
  const Names expected = {
      "backbone.body.conv1.weight",
      "backbone.body.layer1.0.downsample.0.weight",
      "backbone.body.layer1.0.conv1.weight",
      "backbone.body.layer4.2.conv3.weight",
      "fc1000_w",
      "backbone.body.bn1.weight",
      "backbone.body.bn1.bias",
      "backbone.body.layer1.0.downsample.1.weight",
      "backbone.body.layer1.0.downsample.1.bias",
      // Folded into the above
      "backbone.body.bn1.running_mean",
      "backbone.body.bn1.running_var",
      "backbone.body.layer1.0.downsample.1.running_mean",
      "backbone.body.layer1.0.downsample.1.running_var",
  };
  EXPECT_EQ(names_of(from_backbone(norms)), expected);

  NamedTensors detectron2 =
      named({"stem.conv1.weight", "res2.0.shortcut.weight", "res2.0.conv1.weight", "res5.2.conv3.weight", "fc1000_w"});
  const NamedTensors rest = named(
      {"stem.conv1.norm.weight", "stem.conv1.norm.bias", "res2.0.shortcut.norm.weight", "res2.0.shortcut.norm.bias"},
      {4});
  detectron2.insert(detectron2.end(), rest.begin(), rest.end());
  EXPECT_EQ(names_of(from_backbone(detectron2)), expected);
}

TEST(DetectorWeights, AddStatisticsThatChangeNothing) {
  const NamedTensors state =
      from_backbone({{"stem.conv1.norm.weight", noise_tensor({4}, 1)}, {"stem.conv1.norm.bias", noise_tensor({4}, 2)}});
  ASSERT_EQ(names_of(state), (Names{"backbone.body.bn1.weight", "backbone.body.bn1.bias",
                                    "backbone.body.bn1.running_mean", "backbone.body.bn1.running_var"}));
  const at::Tensor x = noise_tensor({2, 4, 3, 3}, 3);
  const at::Tensor folded = x * state[0].second.view({1, 4, 1, 1}) + state[1].second.view({1, 4, 1, 1});
  const at::Tensor normalized =
      at::batch_norm(x, state[0].second, state[1].second, state[2].second, state[3].second, false, 0, 1e-5, false);
  // A few roundings of float32.
  expect_close(normalized, folded, 1e-6, "norm");
}

TEST(DetectorWeights, KeepStatisticsThatAreThere) {
  const NamedTensors state = from_backbone(
      named({"res2.0.conv1.norm.weight", "res2.0.conv1.norm.running_mean", "res2.0.conv1.norm.running_var"}, {4}));
  EXPECT_EQ(state.size(), 3u);
}

TEST(DetectorWeights, FindTheirNamesWhateverTheFile) {
  const NamedTensors detectron2 = named({"module.backbone.fpn_lateral2.weight", "module.roi_heads.box_head.fc1.bias",
                                         "module.roi_heads.box_predictor.bbox_pred.bias"});
  const NamedTensors own = to_detector_names(detectron2, DetectorKind::kFasterRcnn, 3);
  EXPECT_EQ(names_of(own), (Names{"backbone.fpn.inner_blocks.0.0.weight", "roi_heads.box_head.fc6.bias",
                                  "roi_heads.box_predictor.bbox_pred.bias"}));
  EXPECT_EQ(own[2].second.size(0), 8);
  // Shared names alone are torchvision's, whose rows stay.
  const NamedTensors torchvision = named({"roi_heads.box_predictor.bbox_pred.bias", "rpn.head.conv.bias"});
  const NamedTensors kept = to_detector_names(torchvision, DetectorKind::kFasterRcnn, 3);
  EXPECT_EQ(names_of(kept), (Names{"roi_heads.box_predictor.bbox_pred.bias", "rpn.head.conv.0.0.bias"}));
  EXPECT_EQ(kept[0].second.size(0), 4);
}

TEST(DetectorWeights, GiveTheNumberOfClasses) {
  EXPECT_EQ(infer_num_classes({{"roi_heads.box_predictor.cls_score.weight", {21, 1024}}}), 21);
  EXPECT_EQ(infer_num_classes({{"roi_heads.mask_predictor.mask_fcn_logits.weight", {3, 256, 1, 1}}}), 3);
  EXPECT_EQ(infer_num_classes({{"head.classification_head.cls_logits.weight", {45, 256, 3, 3}},
                               {"head.regression_head.bbox_reg.weight", {36, 256, 3, 3}}}),
            5);
  EXPECT_EQ(infer_num_classes({{"head.cls_score.weight", {45, 256, 3, 3}}, {"head.bbox_pred.weight", {36, 256, 3, 3}}}),
            5);
  EXPECT_EQ(infer_num_classes({{"head.classification_head.cls_logits.weight", {45, 256, 3, 3}}}), std::nullopt);
  EXPECT_EQ(infer_num_classes({{"roi_heads.box_predictor.cls_score.weight", {}}}), std::nullopt);
  EXPECT_EQ(infer_num_classes({}), std::nullopt);
}

TEST(DetectorWeights, GiveNoNumberOfClassesOfOtherHeads) {
  // A gigabyte of classes in a file of a few bytes.
  EXPECT_EQ(infer_num_classes({{"roi_heads.box_predictor.cls_score.weight", {1 << 30, 0}}}), std::nullopt);
  EXPECT_EQ(infer_num_classes({{"roi_heads.box_predictor.cls_score.bias", {1 << 30}}}), std::nullopt);
}

}  // namespace
}  // namespace reviewkd::tests::detector_weights
