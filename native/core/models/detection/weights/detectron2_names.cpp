#include "core/models/detection/weights/detectron2_names.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "core/base/error.h"
#include "core/base/name_pattern.h"

namespace reviewkd {
namespace {

/// The relation of an entry's rows in the two libraries.
enum class Rows {
  kSame,
  kBackgroundLast,     // last in detectron2, first in torchvision
  kNoBackgroundBox,    // without the background's four rows in detectron2
  kNoBackgroundMask,   // without the background's one row in detectron2
  kAnchorsBySize,      // size-major in detectron2, ratio-major in torchvision
};

/// An entry or several in both libraries, as patterns of core/base/name_pattern.h. The first row that matches counts.
struct NamePair {
  std::string_view detectron2;
  std::string_view torchvision;
  Rows rows = Rows::kSame;
};

constexpr NamePair kBodyNames[] = {
    // ResNets. Stage res2 is torchvision's layer1.
    {"backbone.bottom_up.stem.conv1.norm.*", "backbone.body.bn1.*"},
    {"backbone.bottom_up.stem.conv1.*", "backbone.body.conv1.*"},
    {"backbone.bottom_up.res{k+1}.{i}.conv{j}.norm.*", "backbone.body.layer{k}.{i}.bn{j}.*"},
    {"backbone.bottom_up.res{k+1}.{i}.conv{j}.*", "backbone.body.layer{k}.{i}.conv{j}.*"},
    {"backbone.bottom_up.res{k+1}.{i}.shortcut.norm.*", "backbone.body.layer{k}.{i}.downsample.1.*"},
    {"backbone.bottom_up.res{k+1}.{i}.shortcut.*", "backbone.body.layer{k}.{i}.downsample.0.*"},
    // MobileNetV2. The first block has no expansion.
    {"backbone.bottom_up.features.0.{j}.*", "backbone.body.0.{j}.*"},
    {"backbone.bottom_up.features.1.conv.0.*", "backbone.body.1.conv.0.0.*"},
    {"backbone.bottom_up.features.1.conv.1.*", "backbone.body.1.conv.0.1.*"},
    {"backbone.bottom_up.features.1.conv.3.*", "backbone.body.1.conv.1.*"},
    {"backbone.bottom_up.features.1.conv.4.*", "backbone.body.1.conv.2.*"},
    {"backbone.bottom_up.features.{n}.conv.0.*", "backbone.body.{n}.conv.0.0.*"},
    {"backbone.bottom_up.features.{n}.conv.1.*", "backbone.body.{n}.conv.0.1.*"},
    {"backbone.bottom_up.features.{n}.conv.3.*", "backbone.body.{n}.conv.1.0.*"},
    {"backbone.bottom_up.features.{n}.conv.4.*", "backbone.body.{n}.conv.1.1.*"},
    {"backbone.bottom_up.features.{n}.conv.6.*", "backbone.body.{n}.conv.2.*"},
    {"backbone.bottom_up.features.{n}.conv.7.*", "backbone.body.{n}.conv.3.*"},
};

/// The pyramid of R-CNNs begins at stage 2.
constexpr NamePair kRcnnNames[] = {
    {"backbone.fpn_lateral{l+2}.*", "backbone.fpn.inner_blocks.{l}.0.*"},
    {"backbone.fpn_output{l+2}.*", "backbone.fpn.layer_blocks.{l}.0.*"},
    {"proposal_generator.rpn_head.conv.*", "rpn.head.conv.0.0.*"},
    {"proposal_generator.rpn_head.objectness_logits.*", "rpn.head.cls_logits.*", Rows::kAnchorsBySize},
    {"proposal_generator.rpn_head.anchor_deltas.*", "rpn.head.bbox_pred.*", Rows::kAnchorsBySize},
    {"roi_heads.box_head.fc1.*", "roi_heads.box_head.fc6.*"},
    {"roi_heads.box_head.fc2.*", "roi_heads.box_head.fc7.*"},
    {"roi_heads.box_predictor.cls_score.*", "roi_heads.box_predictor.cls_score.*", Rows::kBackgroundLast},
    {"roi_heads.box_predictor.bbox_pred.*", "roi_heads.box_predictor.bbox_pred.*", Rows::kNoBackgroundBox},
    {"roi_heads.mask_head.mask_fcn{i+1}.*", "roi_heads.mask_head.{i}.0.*"},
    {"roi_heads.mask_head.deconv.*", "roi_heads.mask_predictor.conv5_mask.*"},
    {"roi_heads.mask_head.predictor.*", "roi_heads.mask_predictor.mask_fcn_logits.*", Rows::kNoBackgroundMask},
};

/// The pyramid of a RetinaNet begins at stage 3. Each of its head's convolutions is followed by a ReLU.
constexpr NamePair kRetinaNetNames[] = {
    {"backbone.fpn_lateral{l+3}.*", "backbone.fpn.inner_blocks.{l}.0.*"},
    {"backbone.fpn_output{l+3}.*", "backbone.fpn.layer_blocks.{l}.0.*"},
    {"backbone.top_block.p{n}.*", "backbone.fpn.extra_blocks.p{n}.*"},
    {"head.cls_subnet.{2i}.*", "head.classification_head.conv.{i}.0.*"},
    {"head.bbox_subnet.{2i}.*", "head.regression_head.conv.{i}.0.*"},
    {"head.cls_score.*", "head.classification_head.cls_logits.*", Rows::kAnchorsBySize},
    {"head.bbox_pred.*", "head.regression_head.bbox_reg.*", Rows::kAnchorsBySize},
};

/// Constants that files of detectron2 hold in addition to weights.
constexpr std::string_view kConstants[] = {
    "pixel_mean",
    "pixel_std",
    "proposal_generator.anchor_generator.cell_anchors.{i}",
    "anchor_generator.cell_anchors.{i}",
};

/// Both libraries have the ratios ½, 1 and 2 for every size.
constexpr int64_t kRatios = 3;
constexpr int64_t kBoxRows = 4;

enum class Direction { kToDetectron2, kFromDetectron2 };

class NameMapper {
 public:
  NameMapper(DetectorKind kind, int64_t num_anchors, Direction direction)
      : heads_(kind == DetectorKind::kRetinaNet ? std::span<const NamePair>(kRetinaNetNames) : kRcnnNames),
        num_anchors_(num_anchors),
        direction_(direction) {
    if (num_anchors > 0 && num_anchors % kRatios == 0) return;
    fail(ErrorCode::kInvalidArgument, "invalid number of anchors: expected a positive multiple of ", kRatios,
         " (ratios), received ", num_anchors, ". The names of detectron2 require the default ratios.");
  }

  NamedTensors map(const NamedTensors& state) const {
    const torch::NoGradGuard no_grad;
    NamedTensors mapped;
    mapped.reserve(state.size());
    for (const auto& [name, tensor] : state) {
      if (to_detectron2() || !is_detectron2_constant(name)) mapped.push_back(map(name, tensor));
    }
    return mapped;
  }

 private:
  bool to_detectron2() const { return direction_ == Direction::kToDetectron2; }

  std::pair<std::string, at::Tensor> map(const std::string& name, const at::Tensor& tensor) const {
    for (const auto& table : {std::span<const NamePair>(kBodyNames), heads_}) {
      for (const auto& [detectron2, torchvision, rows] : table) {
        const auto renamed =
            to_detectron2() ? map_name(name, torchvision, detectron2) : map_name(name, detectron2, torchvision);
        if (renamed) return {*renamed, reordered(name, tensor, rows)};
      }
    }
    return {name, tensor};
  }

  at::Tensor reordered(const std::string& name, const at::Tensor& tensor, Rows rows) const {
    switch (rows) {
      case Rows::kSame: return tensor;
      case Rows::kBackgroundLast: require_rows(name, tensor, 1); return at::roll(tensor, to_detectron2() ? -1 : 1, 0);
      case Rows::kNoBackgroundBox: return background(name, tensor, kBoxRows);
      case Rows::kNoBackgroundMask: return background(name, tensor, 1);
      case Rows::kAnchorsBySize: return transposed_anchors(name, tensor);
    }
    return tensor;
  }

  /// Drops or adds the `count` rows of the background, which come first.
  at::Tensor background(const std::string& name, const at::Tensor& tensor, int64_t count) const {
    require_rows(name, tensor, count);
    if (to_detectron2()) return tensor.slice(0, count).clone();
    std::vector<int64_t> shape = tensor.sizes().vec();
    shape[0] = count;
    return at::cat({at::zeros(shape, tensor.options()), tensor});              // [count + rows, …]
  }

  at::Tensor transposed_anchors(const std::string& name, const at::Tensor& tensor) const {
    require_rows(name, tensor, num_anchors_);
    const int64_t sizes = num_anchors_ / kRatios;
    const int64_t outer = to_detectron2() ? kRatios : sizes;
    std::vector<int64_t> blocks = tensor.sizes().vec();
    blocks[0] = tensor.size(0) / num_anchors_;
    blocks.insert(blocks.begin(), {outer, num_anchors_ / outer});
    return tensor.reshape(blocks).transpose(0, 1).reshape(tensor.sizes());     // [anchors · rows, …]
  }

  /// `unit`: the number of rows that belong together.
  static void require_rows(const std::string& name, const at::Tensor& tensor, int64_t unit) {
    if (tensor.dim() > 0 && tensor.size(0) > 0 && tensor.size(0) % unit == 0) return;
    fail(ErrorCode::kStateDictMismatch, "invalid shape of ", name, ": expected a positive multiple of ", unit,
         " rows, received ", tensor.sizes(), ". The weights belong to another kind of detector.");
  }

  std::span<const NamePair> heads_;
  int64_t num_anchors_;
  Direction direction_;
};

}  // namespace

NamedTensors to_detectron2(const NamedTensors& state, DetectorKind kind, int64_t num_anchors) {
  return NameMapper(kind, num_anchors, Direction::kToDetectron2).map(state);
}

NamedTensors from_detectron2(const NamedTensors& state, DetectorKind kind, int64_t num_anchors) {
  return NameMapper(kind, num_anchors, Direction::kFromDetectron2).map(state);
}

bool is_detectron2_constant(const std::string& name) {
  return std::any_of(std::begin(kConstants), std::end(kConstants),
                     [&](std::string_view pattern) { return map_name(name, pattern, "").has_value(); });
}

std::optional<std::string> body_from_detectron2(const std::string& name) {
  for (const auto& pair : kBodyNames) {
    if (auto own = map_name(name, pair.detectron2, pair.torchvision)) return own;
  }
  return std::nullopt;
}

bool has_detectron2_names(const NamedTensors& state) {
  const auto is_renamed = [](const std::string& name) {
    for (const auto& table : {std::span<const NamePair>(kBodyNames), std::span<const NamePair>(kRcnnNames),
                              std::span<const NamePair>(kRetinaNetNames)}) {
      for (const auto& pair : table) {
        const auto renamed = map_name(name, pair.detectron2, pair.torchvision);
        if (renamed && *renamed != name) return true;
      }
    }
    return false;
  };
  return std::any_of(state.begin(), state.end(), [&](const auto& entry) { return is_renamed(entry.first); });
}

}  // namespace reviewkd
