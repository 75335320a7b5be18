#include "core/models/name_layouts.h"

#include <span>

#include "core/base/name_pattern.h"

namespace reviewkd {
namespace {

/// Patterns of core/base/name_pattern.h: names of a library, and of the registry.
struct Renaming {
  std::string from;
  std::string to;
};
using Renamings = std::vector<Renaming>;

std::optional<std::string> renamed(std::string_view name, const Renamings& table) {
  for (const auto& [from, to] : table) {
    if (auto own = map_name(name, from, to)) return own;
  }
  return std::nullopt;
}

std::optional<std::string> unchanged(std::string_view name) { return std::string(name); }

/// The same rows for names that begin with `prefix`, as those of a network with a classifier do.
Renamings with_prefix(const std::string& prefix, const Renamings& rows) {
  Renamings table;
  for (const auto& [from, to] : rows) {
    table.push_back({prefix + from, to});
    table.push_back({from, to});
  }
  return table;
}

/// transformers/models/resnet/modeling_resnet.py.
std::optional<std::string> hugging_face_resnet(std::string_view name) {
  static const Renamings table = [] {
    Renamings rows = with_prefix(
        "resnet.", {
                       {"embedder.embedder.convolution.*", "conv1.*"},
                       {"embedder.embedder.normalization.*", "bn1.*"},
                       {"encoder.stages.{k}.layers.{i}.layer.{j}.convolution.*", "layer{k+1}.{i}.conv{j+1}.*"},
                       {"encoder.stages.{k}.layers.{i}.layer.{j}.normalization.*", "layer{k+1}.{i}.bn{j+1}.*"},
                       {"encoder.stages.{k}.layers.{i}.shortcut.convolution.*", "layer{k+1}.{i}.downsample.0.*"},
                       {"encoder.stages.{k}.layers.{i}.shortcut.normalization.*", "layer{k+1}.{i}.downsample.1.*"},
                   });
    rows.push_back({"classifier.1.*", "fc.*"});
    return rows;
  }();
  return renamed(name, table);
}

/// transformers/models/mobilenet_v2/modeling_mobilenet_v2.py.
std::optional<std::string> hugging_face_mobilenet_v2(std::string_view name) {
  static const Renamings table = [] {
    Renamings rows =
        with_prefix("mobilenet_v2.", {
                                         {"conv_stem.first_conv.convolution.*", "features.0.0.*"},
                                         {"conv_stem.first_conv.normalization.*", "features.0.1.*"},
                                         {"conv_stem.conv_3x3.convolution.*", "features.1.conv.0.0.*"},
                                         {"conv_stem.conv_3x3.normalization.*", "features.1.conv.0.1.*"},
                                         {"conv_stem.reduce_1x1.convolution.*", "features.1.conv.1.*"},
                                         {"conv_stem.reduce_1x1.normalization.*", "features.1.conv.2.*"},
                                         {"layer.{i}.expand_1x1.convolution.*", "features.{i+2}.conv.0.0.*"},
                                         {"layer.{i}.expand_1x1.normalization.*", "features.{i+2}.conv.0.1.*"},
                                         {"layer.{i}.conv_3x3.convolution.*", "features.{i+2}.conv.1.0.*"},
                                         {"layer.{i}.conv_3x3.normalization.*", "features.{i+2}.conv.1.1.*"},
                                         {"layer.{i}.reduce_1x1.convolution.*", "features.{i+2}.conv.2.*"},
                                         {"layer.{i}.reduce_1x1.normalization.*", "features.{i+2}.conv.3.*"},
                                         {"conv_1x1.convolution.*", "features.18.0.*"},
                                         {"conv_1x1.normalization.*", "features.18.1.*"},
                                     });
    rows.push_back({"classifier.*", "classifier.1.*"});
    return rows;
  }();
  return renamed(name, table);
}

/// transformers/models/mobilenet_v1/modeling_mobilenet_v1.py: depthwise and pointwise convolutions in turn.
std::optional<std::string> hugging_face_mobilenet_v1(std::string_view name) {
  static const Renamings table = [] {
    Renamings rows = with_prefix(
        "mobilenet_v1.", {{"conv_stem.convolution.*", "model.0.0.*"}, {"conv_stem.normalization.*", "model.0.1.*"}});
    for (int i = 0; i < 13; ++i) {
      const std::string depthwise = "layer." + std::to_string(2 * i);
      const std::string pointwise = "layer." + std::to_string(2 * i + 1);
      const std::string block = "model." + std::to_string(i + 1);
      const Renamings added = with_prefix("mobilenet_v1.", {
                                                               {depthwise + ".convolution.*", block + ".0.*"},
                                                               {depthwise + ".normalization.*", block + ".1.*"},
                                                               {pointwise + ".convolution.*", block + ".3.*"},
                                                               {pointwise + ".normalization.*", block + ".4.*"},
                                                           });
      rows.insert(rows.end(), added.begin(), added.end());
    }
    rows.push_back({"classifier.*", "fc.*"});
    return rows;
  }();
  return renamed(name, table);
}

std::string timm_block(size_t stage, int index) {
  return "blocks." + std::to_string(stage) + "." + std::to_string(index);
}

/// timm/models/efficientnet.py, mobilenetv2_100: its blocks are counted by stage.
std::optional<std::string> timm_mobilenet_v2(std::string_view name) {
  static const Renamings table = [] {
    Renamings rows = {
        {"conv_stem.*", "features.0.0.*"},
        {"bn1.*", "features.0.1.*"},
        {"conv_head.*", "features.18.0.*"},
        {"bn2.*", "features.18.1.*"},
        {"classifier.*", "classifier.1.*"},
        {"blocks.0.0.conv_dw.*", "features.1.conv.0.0.*"},
        {"blocks.0.0.bn1.*", "features.1.conv.0.1.*"},
        {"blocks.0.0.conv_pw.*", "features.1.conv.1.*"},
        {"blocks.0.0.bn2.*", "features.1.conv.2.*"},
    };
    constexpr int kBlocks[] = {1, 2, 3, 4, 3, 3, 1};
    int feature = 2;
    for (size_t stage = 1; stage < std::size(kBlocks); ++stage) {
      for (int i = 0; i < kBlocks[stage]; ++i, ++feature) {
        const std::string block = timm_block(stage, i);
        const std::string own = "features." + std::to_string(feature) + ".conv.";
        rows.push_back({block + ".conv_pw.*", own + "0.0.*"});
        rows.push_back({block + ".bn1.*", own + "0.1.*"});
        rows.push_back({block + ".conv_dw.*", own + "1.0.*"});
        rows.push_back({block + ".bn2.*", own + "1.1.*"});
        rows.push_back({block + ".conv_pwl.*", own + "2.*"});
        rows.push_back({block + ".bn3.*", own + "3.*"});
      }
    }
    return rows;
  }();
  return renamed(name, table);
}

/// timm/models/mobilenetv3.py, mobilenetv1_100.
std::optional<std::string> timm_mobilenet_v1(std::string_view name) {
  static const Renamings table = [] {
    Renamings rows = {{"conv_stem.*", "model.0.0.*"}, {"bn1.*", "model.0.1.*"}, {"classifier.*", "fc.*"}};
    constexpr int kBlocks[] = {1, 2, 2, 6, 2};
    int index = 1;
    for (size_t stage = 0; stage < std::size(kBlocks); ++stage) {
      for (int i = 0; i < kBlocks[stage]; ++i, ++index) {
        const std::string block = timm_block(stage, i);
        const std::string own = "model." + std::to_string(index);
        rows.push_back({block + ".conv_dw.*", own + ".0.*"});
        rows.push_back({block + ".bn1.*", own + ".1.*"});
        rows.push_back({block + ".conv_pw.*", own + ".3.*"});
        rows.push_back({block + ".bn2.*", own + ".4.*"});
      }
    }
    return rows;
  }();
  return renamed(name, table);
}

/// mmpretrain: torchvision's ResNets as a classifier's backbone, and a head.
std::optional<std::string> mmpretrain_resnet(std::string_view name) {
  constexpr std::string_view kBackbone = "backbone.";
  if (name.starts_with(kBackbone)) return std::string(name.substr(kBackbone.size()));
  return map_name(name, "head.fc.*", "fc.*");
}

/// ResNets for CIFAR-100 by torchvision's and timm's names, as published on Hugging Face.
std::optional<std::string> torchvision_cifar_resnet(std::string_view name) {
  static const Renamings table = {{"layer{k}.{i}.downsample.{j}.*", "layer{k}.{i}.shortcut.{j}.*"},
                                  {"fc.*", "linear.*"}};
  const auto own = renamed(name, table);
  return own ? own : std::string(name);
}

}  // namespace

const std::vector<NameLayout>& name_layouts() {
  static const std::vector<NameLayout> layouts = {
      {"", unchanged},
      {"Hugging Face's ResNet", hugging_face_resnet},
      {"Hugging Face's MobileNetV2", hugging_face_mobilenet_v2,
       "it pads images as TensorFlow does and adds 0.001 to variances"},
      {"Hugging Face's MobileNetV1", hugging_face_mobilenet_v1,
       "it pads images as TensorFlow does, adds 0.001 to variances, and bounds its activations at 6"},
      {"timm's MobileNetV2", timm_mobilenet_v2},
      {"timm's MobileNetV1", timm_mobilenet_v1, "it bounds its activations at 6"},
      {"mmpretrain's ResNet", mmpretrain_resnet},
      {"torchvision's ResNet", torchvision_cifar_resnet},
  };
  return layouts;
}

}  // namespace reviewkd
