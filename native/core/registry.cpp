#include "core/registry.h"

#include "core/data/cifar.h"
#include "core/data/synthetic.h"
#include "core/distillation/review.h"
#include "core/error.h"
#include "core/models/cifar_resnet.h"

namespace reviewkd {
namespace {

constexpr const char* kResNetPaper = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2";
constexpr const char* kReviewPaper = "Chen et al., Distilling Knowledge via Knowledge Review, CVPR 2021";

ModelEntry cifar_resnet(const char* name, int64_t depth, int64_t width) {
  const std::array<int64_t, 4> channels =
      width == 1 ? std::array<int64_t, 4>{16, 16, 32, 64} : std::array<int64_t, 4>{32, 16 * width, 32 * width, 64 * width};
  return {name, kResNetPaper, {32, 32}, 100, [=](int64_t num_classes) -> Backbone {
            return CifarResNet(CifarResNetOptions{.depth = depth, .channels = channels, .num_classes = num_classes}).ptr();
          }};
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
      cifar_resnet("resnet8", 8, 1),     cifar_resnet("resnet14", 14, 1),   cifar_resnet("resnet20", 20, 1),
      cifar_resnet("resnet32", 32, 1),   cifar_resnet("resnet44", 44, 1),   cifar_resnet("resnet56", 56, 1),
      cifar_resnet("resnet110", 110, 1), cifar_resnet("resnet8x4", 8, 4),   cifar_resnet("resnet32x4", 32, 4),
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
