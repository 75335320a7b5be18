#include "core/models/backbones/registry.h"

#include "core/base/registry.h"
#include "core/models/backbones/mobilenet_v1.h"
#include "core/models/backbones/mobilenet_v2.h"
#include "core/models/backbones/mobilenet_v2_imagenet.h"
#include "core/models/backbones/resnet.h"
#include "core/models/backbones/shufflenet_v1.h"
#include "core/models/backbones/shufflenet_v2.h"
#include "core/models/backbones/vgg.h"
#include "core/models/backbones/wide_resnet.h"

namespace reviewkd {
namespace {

constexpr const char* kResNetPaper = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016";
constexpr const char* kWideResNetPaper = "Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016";
constexpr const char* kVggPaper =
    "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015";
constexpr const char* kMobileNetV1Paper =
    "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, arXiv "
    "1704.04861, 2017";
constexpr const char* kMobileNetV2Paper =
    "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018";
constexpr const char* kShuffleNetV1Paper =
    "Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR 2018";
constexpr const char* kShuffleNetV2Paper =
    "Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018";

constexpr ImageSize kCifarImage{32, 32};
constexpr int64_t kCifarClasses = 100;
constexpr ImageSize kImageNetImage{224, 224};
constexpr int64_t kImageNetClasses = 1000;

ModelEntry small_cifar_resnet_row(const char* name, int64_t depth, int64_t width) {
  const auto build = [=](int64_t classes) { return ResNet(small_cifar_resnet(depth, width, classes)).ptr(); };
  return {name, kResNetPaper, kCifarImage, kCifarClasses, build};
}

ModelEntry large_cifar_resnet_row(const char* name, int64_t depth) {
  const auto build = [=](int64_t classes) { return ResNet(large_cifar_resnet(depth, classes)).ptr(); };
  return {name, kResNetPaper, kCifarImage, kCifarClasses, build};
}

ModelEntry imagenet_resnet_row(const char* name, int64_t depth) {
  const auto build = [=](int64_t classes) { return ResNet(imagenet_resnet(depth, classes)).ptr(); };
  return {name, kResNetPaper, kImageNetImage, kImageNetClasses, build};
}

ModelEntry wide_resnet_row(const char* name, int64_t depth, int64_t width) {
  const auto build = [=](int64_t classes) { return WideResNet(WideResNetOptions{depth, width, classes}).ptr(); };
  return {name, kWideResNetPaper, kCifarImage, kCifarClasses, build};
}

ModelEntry vgg_row(const char* name, int64_t depth) {
  const auto build = [=](int64_t classes) { return Vgg(VggOptions{depth, classes}).ptr(); };
  return {name, kVggPaper, kCifarImage, kCifarClasses, build};
}

ModelEntry mobilenet_v1_row(const char* name) {
  const auto build = [](int64_t classes) { return MobileNetV1(MobileNetV1Options{.num_classes = classes}).ptr(); };
  return {name, kMobileNetV1Paper, kImageNetImage, kImageNetClasses, build};
}

ModelEntry mobilenet_v2_row(const char* name, double width) {
  const auto build = [=](int64_t classes) {
    return MobileNetV2(MobileNetV2Options{.width = width, .num_classes = classes}).ptr();
  };
  return {name, kMobileNetV2Paper, kCifarImage, kCifarClasses, build};
}

ModelEntry mobilenet_v2_imagenet_row(const char* name) {
  const auto build = [](int64_t classes) { return MobileNetV2ImageNet(MobileNetV2ImageNetOptions{classes}).ptr(); };
  return {name, kMobileNetV2Paper, kImageNetImage, kImageNetClasses, build};
}

ModelEntry shufflenet_v1_row(const char* name) {
  const auto build = [](int64_t classes) { return ShuffleNetV1(ShuffleNetV1Options{.num_classes = classes}).ptr(); };
  return {name, kShuffleNetV1Paper, kCifarImage, kCifarClasses, build};
}

ModelEntry shufflenet_v2_row(const char* name) {
  const auto build = [](int64_t classes) { return ShuffleNetV2(ShuffleNetV2Options{.num_classes = classes}).ptr(); };
  return {name, kShuffleNetV2Paper, kCifarImage, kCifarClasses, build};
}

}  // namespace

const std::vector<ModelEntry>& model_registry() {
  static const std::vector<ModelEntry> models = {
      small_cifar_resnet_row("resnet8", 8, 1),
      small_cifar_resnet_row("resnet14", 14, 1),
      small_cifar_resnet_row("resnet20", 20, 1),
      small_cifar_resnet_row("resnet32", 32, 1),
      small_cifar_resnet_row("resnet44", 44, 1),
      small_cifar_resnet_row("resnet56", 56, 1),
      small_cifar_resnet_row("resnet110", 110, 1),
      small_cifar_resnet_row("resnet8x4", 8, 4),
      small_cifar_resnet_row("resnet32x4", 32, 4),
      large_cifar_resnet_row("resnet18-cifar", 18),
      large_cifar_resnet_row("resnet50-cifar", 50),
      wide_resnet_row("wrn-16-1", 16, 1),
      wide_resnet_row("wrn-16-2", 16, 2),
      wide_resnet_row("wrn-40-1", 40, 1),
      wide_resnet_row("wrn-40-2", 40, 2),
      vgg_row("vgg8", 8),
      vgg_row("vgg11", 11),
      vgg_row("vgg13", 13),
      vgg_row("vgg16", 16),
      vgg_row("vgg19", 19),
      mobilenet_v2_row("mobilenetv2-half", 0.5),
      shufflenet_v1_row("shufflenetv1"),
      shufflenet_v2_row("shufflenetv2"),

      imagenet_resnet_row("resnet18", 18),
      imagenet_resnet_row("resnet34", 34),
      imagenet_resnet_row("resnet50", 50),
      imagenet_resnet_row("resnet101", 101),
      imagenet_resnet_row("resnet152", 152),
      mobilenet_v1_row("mobilenetv1"),
      mobilenet_v2_imagenet_row("mobilenetv2"),
  };
  return models;
}

const ModelEntry& find_model(const std::string& name) {
  return find_entry(model_registry(), &ModelEntry::name, name, "model name");
}

}  // namespace reviewkd
