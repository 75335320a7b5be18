#include "core/registry.h"

#include "core/data/cifar.h"
#include "core/data/synthetic.h"
#include "core/distillation/review.h"
#include "core/error.h"
#include "core/models/resnet.h"
#include "core/models/vgg.h"
#include "core/models/wide_resnet.h"

namespace reviewkd {
namespace {

constexpr const char* kResNetPaper = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016";
constexpr const char* kWideResNetPaper = "Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016";
constexpr const char* kVggPaper = "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015";
constexpr const char* kReviewPaper = "Chen et al., Distilling Knowledge via Knowledge Review, CVPR 2021";

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

std::vector<int64_t> channels_of(const BackboneImpl& network) {
  std::vector<int64_t> channels;
  // Channels do not depend on the image size.
  for (const auto& spec : network.feature_specs({224, 224})) channels.push_back(spec.channels);
  return channels;
}

template <typename Entry, typename Name>
const Entry& find(const std::vector<Entry>& entries, const std::string& name, const char* what, Name name_of) {
  std::vector<std::string> names;
  for (const auto& entry : entries) {
    if (name_of(entry) == name) return entry;
    names.push_back(name_of(entry));
  }
  throw Error(ErrorCode::kUnknownName, "expected one of " + joined(names) + " for " + what + ", got \"" + name + "\"", names);
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

      imagenet_resnet_row("resnet18", 18),
      imagenet_resnet_row("resnet34", 34),
      imagenet_resnet_row("resnet50", 50),
      imagenet_resnet_row("resnet101", 101),
      imagenet_resnet_row("resnet152", 152),
  };
  return models;
}

const std::vector<MethodEntry>& method_registry() {
  static const std::vector<MethodEntry> methods = {
      {"review", kReviewPaper,
       [](const BackboneImpl& student, const BackboneImpl& teacher, const MethodOptions& options) -> Method {
         return Review(channels_of(student), channels_of(teacher), options).ptr();
       }},
  };
  return methods;
}

const std::vector<DatasetEntry>& dataset_registry() {
  static const std::vector<DatasetEntry> datasets = {
      {"synthetic", draw_synthetic},
      {"cifar10", load_cifar10},
      {"cifar100", load_cifar100},
  };
  return datasets;
}

const ModelEntry& find_model(const std::string& name) {
  return find(model_registry(), name, "the model name", [](const ModelEntry& entry) { return entry.name; });
}

const MethodEntry& find_method(const std::string& kind) {
  return find(method_registry(), kind, "the method", [](const MethodEntry& entry) { return entry.kind; });
}

const DatasetEntry& find_dataset(const std::string& kind) {
  return find(dataset_registry(), kind, "the data set", [](const DatasetEntry& entry) { return entry.kind; });
}

}  // namespace reviewkd
