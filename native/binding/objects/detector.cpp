#include "binding/objects/detector.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <variant>

#include "binding/functional/function_table.h"
#include "binding/objects/session_results.h"
#include "binding/objects/tensor.h"
#include "binding/objects/weights.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/checkpoint/network_weights.h"
#include "core/models/detection/detector_file.h"
#include "core/models/detection/registry.h"
#include "core/models/detection/weights/detectron2_names.h"
#include "core/models/init.h"
#include "core/ops/backend/device.h"
#include "core/ops/threads/default_threads.h"
#include "core/tasks/detection/detection.h"
#include "core/tasks/registry.h"
#include "core/training/state/precision.h"

namespace reviewkd::binding {
namespace {

TensorTree to_tree(const std::vector<detection::Detections>& found) {
  TensorTree::List images;
  for (const auto& image : found) {
    TensorTree::Record record = {{"boxes", image.boxes}, {"scores", image.scores}, {"labels", image.labels}};
    if (image.masks.defined()) record.emplace_back("masks", image.masks);
    images.push_back(std::move(record));
  }
  return images;
}

/// An image of floating point as it was passed, or one that was decoded: { pixels: bytes [H, W, 3] }.
at::Tensor image_of(const TensorTree& given) {
  if (!given.has("pixels")) {
    if (const auto* image = std::get_if<at::Tensor>(&given.content)) return *image;
    fail(ErrorCode::kInvalidArgument, "invalid image: expected a Tensor, received another value.");
  }
  constexpr double kLargestByte = 255;
  return given.tensor("pixels")
      .permute({2, 0, 1})
      .to(at::kFloat, false, false, at::MemoryFormat::Contiguous)
      .div_(kLargestByte);
}

/// Selects objects before their masks are pasted, which costs most.
struct DetectionFilter {
  std::optional<double> score_threshold;
  std::vector<int64_t> labels;  // empty: all

  static DetectionFilter from(const Options& options) {
    DetectionFilter filter;
    options.read("scoreThreshold", filter.score_threshold);
    options.read("labels", filter.labels);
    return filter;
  }

  detection::Detections operator()(const detection::Detections& found) const {
    at::Tensor wanted = at::ones_like(found.labels, at::kBool);
    if (score_threshold) wanted = found.scores.ge(*score_threshold);
    if (!labels.empty())
      wanted = wanted.logical_and(at::isin(found.labels, at::tensor(labels, found.labels.options())));
    return found.at(at::nonzero(wanted).squeeze(1));
  }
};

/// Applies `rename` to the entries below "student.", if there are any, or to all.
template <typename Rename>
NamedTensors renamed(const NamedTensors& state, const Rename& rename) {
  static const std::string kStudent = "student.";
  NamedTensors own, others;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(kStudent)) own.emplace_back(name.substr(kStudent.size()), tensor);
    else others.emplace_back(name, tensor);
  }
  if (own.empty()) return rename(others);
  NamedTensors result;
  for (const auto& [name, tensor] : rename(own)) result.emplace_back(kStudent + name, tensor);
  result.insert(result.end(), others.begin(), others.end());
  return result;
}

}  // namespace

void require_values(const at::Tensor& image) {
  if (image.is_floating_point()) return;
  fail(ErrorCode::kDtypeMismatch, "invalid image: expected values from 0 to 1 of floating point, received ",
       type_name(image.scalar_type()), ". Divide bytes by 255.");
}

std::vector<at::Tensor> images_for(const Network& network, const std::vector<at::Tensor>& images) {
  if (images.empty()) fail(ErrorCode::kInvalidArgument, "invalid images: expected one or more, received none.");
  std::vector<at::Tensor> result;
  for (const at::Tensor& image : images) {
    if (image.dim() != 3 || image.size(0) != 3 || image.numel() == 0)
      fail(ErrorCode::kShapeMismatch, "invalid image: expected [3, H, W], received ", image.sizes(), ".");
    require_values(image);
    result.push_back(image.to(network.device(), network.dtype()));
  }
  return result;
}

TensorTree pyramid_output(const detection::DetectorImpl& detector, const ImageBatch& batch,
                          const BackboneOutput& output) {
  TensorTree::List sizes;
  for (const ImageSize& size : batch.sizes) sizes.push_back(to_tree(size));
  return TensorTree::Record{
      {"input", detector.input().normalized(batch)}, {"imageSizes", std::move(sizes)}, {"levels", levels_of(output)}};
}

TensorTree detector_output(detection::DetectorImpl& detector, const ImageBatch& batch, const BackboneOutput& output,
                           bool training) {
  TensorTree tree = pyramid_output(detector, batch, output);
  auto& record = std::get<TensorTree::Record>(tree.content);
  const detection::HeadOutputs heads = detector.head_outputs(levels_of(output), batch, training);
  if (!heads.proposals.empty()) record.emplace_back("proposals", heads.proposals);
  for (const auto& [name, values] : heads.raw) record.emplace_back(name, values);
  return tree;
}

StateNames state_names_of(const Napi::Value& value) {
  if (value.IsUndefined()) return StateNames::kTorchvision;
  const std::string name = string_of(value, "names");
  if (name == "torchvision") return StateNames::kTorchvision;
  if (name == "detectron2") return StateNames::kDetectron2;
  fail(ErrorCode::kInvalidArgument, "invalid names: expected torchvision or detectron2, received \"", name, "\".");
}

NamedTensors to_names(const Network& network, const NamedTensors& state, StateNames names) {
  if (names == StateNames::kTorchvision) return state;
  const auto& options = detector_of(*network.module).options();
  return renamed(
      state, [&](const NamedTensors& own) { return to_detectron2(own, options.kind, options.anchors.per_position()); });
}

NamedTensors from_names(const Network& network, const NamedTensors& state, StateNames names) {
  if (names == StateNames::kTorchvision) return state;
  const auto& options = detector_of(*network.module).options();
  return renamed(state, [&](const NamedTensors& own) {
    return from_detectron2(own, options.kind, options.anchors.per_position());
  });
}

std::shared_ptr<Network> build_detector_network(const Options& options) {
  auto network = std::make_shared<Network>();
  network->name = options.string("name");
  const auto detector = detection::build_detector(network->name, options.options("detection"));
  detector->initialize(init::generator(static_cast<uint64_t>(options.integer("seed"))));
  init::place(*detector, parse_device(options.string("device")), parse_dtype(options.string("dtype")));
  detector->eval();
  network->module = detector;
  return network;
}

Napi::Value list_detectors(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] { return to_array(info.Env(), detection::detector_names()); });
}

Napi::Value detector_info(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const DetectorKind kind = detection::parse_detector_name(string_of(info[0], "name")).kind;
    Napi::Object object = Napi::Object::New(env);
    object.Set("task", to_js(env, task_of(kind)->info()));
    object.Set("levels", to_array(env, detection::level_names(kind)));
    return object;
  });
}

Napi::Value load_detector_with(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  using detection::DetectorPart;
  const Options options = options_of(info[1], "options");
  const auto part = options.choice<DetectorPart>("part", {{"all", DetectorPart::kAll}, {"body", DetectorPart::kBody}});
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [network, path = weights_path_of(info[0]), strict = options.boolean("strict"),
       key = options.has("key") ? options.string("key") : "", part] {
        const WeightsFile file = read_network_weights(path, key);
        const NetworkLock lock(*network);
        auto report = detection::load_file(detector_of(*network->module), file.tensors, part, strict);
        report.prefixes.insert(report.prefixes.begin(), file.selection.prefixes.begin(), file.selection.prefixes.end());
        report.left_aside.insert(report.left_aside.begin(), file.selection.counters.begin(),
                                 file.selection.counters.end());
        network->is_untrained = false;
        return report;
      },
      [](Napi::Env env, const detection::DetectorLoadReport& report) -> Napi::Value {
        const Napi::Object object = to_js(env, static_cast<const LoadReport&>(report));
        object.Set("unused", to_array(env, report.unused));
        return object;
      });
}

Napi::Value detect_with(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  const TensorTree inputs = TensorTree::Record{{"images", tensor_tree_of(info[0], "images")}};
  const Options options = options_of(info[1], "options");
  std::optional<double> mask_threshold;
  options.read("maskThreshold", mask_threshold);
  int64_t threads = 0;
  options.read("threads", threads);
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [network, inputs, mask_threshold, threads, filter = DetectionFilter::from(options)] {
        const ops::ThreadsScope scope(threads);
        const NetworkLock lock(*network);
        const torch::NoGradGuard no_grad;
        network->module->eval();
        auto& detector = detector_of(*network->module);
        std::vector<at::Tensor> images;
        for (const TensorTree& image : inputs.list("images")) images.push_back(image_of(image));
        const auto given = images_for(*network, images);
        const ImageBatch batch = detector.input().prepare(given);
        auto found = detector.detect(levels_of(detector.forward_batch(batch)), batch);
        for (size_t i = 0; i < found.size(); ++i) {
          found[i] = detector.in_original_image(filter(found[i]), batch.size(static_cast<int64_t>(i)),
                                                {given[i].size(1), given[i].size(2)}, mask_threshold);
        }
        return to_tree(found);
      },
      [](Napi::Env env, const TensorTree& found) { return to_js(env, found); });
}

Napi::Value forward_detector(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  const TensorTree inputs = TensorTree::Record{{"images", tensor_tree_of(info[0], "images")}};
  const bool training = options_of(info[1], "options").choice<bool>("mode", {{"eval", false}, {"train", true}});
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [network, images = inputs.tensors("images"), training]() -> TensorTree {
        const NetworkLock lock(*network);
        const torch::NoGradGuard no_grad;
        network->module->train(training);
        auto& detector = detector_of(*network->module);
        const ImageBatch batch = detector.input().prepare(images_for(*network, images));
        return detector_output(detector, batch, detector.forward_batch(batch), training);
      },
      [](Napi::Env env, const TensorTree& output) { return to_js(env, output); });
}

}  // namespace reviewkd::binding
