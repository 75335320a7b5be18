#include "binding/objects/detector.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "binding/functional/function_table.h"
#include "binding/objects/model.h"
#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/base/error.h"
#include "core/models/detection/registry.h"
#include "core/models/init.h"
#include "core/ops/backend/device.h"
#include "core/tasks/detection/detection.h"
#include "core/training/state/precision.h"

namespace reviewkd::binding {
namespace {

std::shared_ptr<Network> build_network(const Options& options, const std::string& name, at::ScalarType dtype,
                                       at::Device device) {
  const auto detector = detection::build_detector(name, options.options("detection"));
  detector->initialize(init::generator(static_cast<uint64_t>(options.integer("seed"))));
  init::place(*detector, device, dtype);
  detector->eval();
  auto network = std::make_shared<Network>();
  network->name = name;
  network->module = detector;
  return network;
}

/// Images of a call in the network's type and on its device. Throws SHAPE_MISMATCH, DTYPE_MISMATCH.
std::vector<at::Tensor> images_for(const Network& network, const std::vector<at::Tensor>& images) {
  if (images.empty()) fail(ErrorCode::kInvalidArgument, "invalid images: expected one or more, received none.");
  std::vector<at::Tensor> result;
  for (const at::Tensor& image : images) {
    if (image.dim() != 3 || image.size(0) != 3 || image.numel() == 0)
      fail(ErrorCode::kShapeMismatch, "invalid image: expected [3, H, W], received ", image.sizes(), ".");
    if (!image.is_floating_point())
      fail(ErrorCode::kDtypeMismatch, "invalid image: expected values from 0 to 1 of floating point, received ",
           image.scalar_type(), ". Divide bytes by 255.");
    result.push_back(image.to(network.device(), network.dtype()));
  }
  return result;
}

std::vector<at::Tensor> levels_of(BackboneImpl& network, const ImageBatch& batch) {
  std::vector<at::Tensor> levels;
  for (const StageFeature& level : network.forward_batch(batch).features) levels.push_back(level.after);
  return levels;
}

TensorTree to_tree(const std::vector<detection::Detections>& found) {
  TensorTree::List images;
  for (const auto& image : found) {
    TensorTree::Record record = {{"boxes", image.boxes}, {"scores", image.scores}, {"labels", image.labels}};
    if (image.masks.defined()) record.emplace_back("masks", image.masks);
    images.push_back(std::move(record));
  }
  return images;
}

}  // namespace

Napi::Value create_detector(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "options");
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [options, name = options.string("name"), dtype = parse_dtype(options.string("dtype")),
         device = options.string("device")] { return build_network(options, name, dtype, parse_device(device)); },
        [](Napi::Env env, const std::shared_ptr<Network>& network) -> Napi::Value {
          return ModelHandle::from(env, network);
        });
  });
}

Napi::Value detect_with(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  const TensorTree inputs = TensorTree::Record{{"images", tensor_tree_of(info[0], "images")}};
  const Options options = options_of(info[1], "options");
  std::optional<double> mask_threshold;
  options.read("maskThreshold", mask_threshold);
  return run_async(
      info.Env(), Runtime::of(info.Env()).background(),
      [network, images = inputs.tensors("images"), mask_threshold] {
        const NetworkLock lock(*network);
        const torch::NoGradGuard no_grad;
        network->module->eval();
        auto& detector = detector_of(*network->module);
        const auto given = images_for(*network, images);
        const ImageBatch batch = detector.input().prepare(given);
        std::vector<ImageSize> originals;
        for (const at::Tensor& image : given) originals.push_back({image.size(1), image.size(2)});
        return to_tree(detector.in_original_images(detector.detect(levels_of(detector, batch), batch), batch, originals,
                                                   mask_threshold));
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
        const auto levels = levels_of(detector, batch);
        const detection::HeadOutputs heads = detector.head_outputs(levels, batch, training);
        TensorTree::List sizes;
        for (const ImageSize& size : batch.sizes) sizes.push_back(to_tree(size));
        TensorTree::Record record = {
            {"input", detector.input().normalized(batch)}, {"imageSizes", std::move(sizes)}, {"levels", levels}};
        if (!heads.proposals.empty()) record.emplace_back("proposals", heads.proposals);
        for (const auto& [name, values] : heads.raw) record.emplace_back(name, values);
        return record;
      },
      [](Napi::Env env, const TensorTree& output) { return to_js(env, output); });
}

}  // namespace reviewkd::binding
