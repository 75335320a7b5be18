#include "core/onnx/export_network.h"

#include <ATen/ATen.h>

#include "core/io/atomic_file.h"
#include "core/models/detection/detector.h"
#include "core/onnx/lowering.h"
#include "core/onnx/traced_graph.h"
#include "core/ops/tracing/traced_operation.h"
#include "formats/onnx/onnx_writer.h"

namespace reviewkd::onnx {
namespace {

/// As transformers.js and its relatives name the pixels that a network reads.
constexpr const char* kInput = "pixel_values";

/// A function and the names of its results.
struct NamedFunction {
  ImageFunction function;
  Names outputs;
};

/// x · scale + shift by channel: folded into the first convolution it would be wrong at borders, which are padded with
/// zeros after it.
at::Tensor normalized(const at::Tensor& images, const Normalization& normalization) {
  const auto by_channel = [&](const auto& value) {
    const ops::ConstantScope constant;
    return at::tensor({value(0), value(1), value(2)}, at::kDouble).to(images.options()).view({1, 3, 1, 1});
  };
  const auto& [mean, std] = normalization;
  return images * by_channel([&](size_t i) { return 1 / std[i]; }) + by_channel([&](size_t i) { return -mean[i] / std[i]; });
}

NamedFunction classifier(BackboneImpl& network, const ExportOptions& options) {
  return {[&](const at::Tensor& images) -> std::vector<at::Tensor> {
            const at::Tensor input = options.normalization ? normalized(images, *options.normalization) : images;
            const at::Tensor logits = network.forward(input).logits.to(at::kFloat);  // [N, classes]
            return {logits, logits.softmax(1)};
          },
          {"logits", "probabilities"}};
}

NamedFunction detector(detection::DetectorImpl& network) {
  Names outputs = {"boxes", "scores", "labels"};
  if (network.has_masks()) outputs.emplace_back("masks");
  return {[&](const at::Tensor& images) -> std::vector<at::Tensor> {
            const detection::PaddedDetections found = network.detect_in_place(images);
            std::vector<at::Tensor> results = {found.boxes, found.scores, found.labels};
            if (found.masks.defined()) results.push_back(found.masks);
            return results;
          },
          std::move(outputs)};
}

std::vector<Dimension> dimensions_of(const std::vector<BatchCount>& shape) {
  std::vector<Dimension> dimensions;
  for (const BatchCount& size : shape) {
    if (size.is_constant()) dimensions.emplace_back(size.constant);
    else dimensions.emplace_back("batch");
  }
  return dimensions;
}

}  // namespace

Model onnx_model(Network& network, const ExportOptions& options) {
  const NetworkLock lock(network);
  network.module->eval();
  network.module->feature_specs(options.image);  // throws for an image that is too small
  const NamedFunction wanted = network.module->is_classifier() ? classifier(*network.module, options)
                                                               : detector(detector_of(*network.module));
  const TracedGraph traced =
      trace(state_dict(*network.module), options.image.height, options.image.width, wanted.function);
  Lowering lowering(traced, kInput, options.type);
  const std::vector<OnnxTensor> outputs = lowering.run();

  Names values;
  for (const OnnxTensor& output : outputs) values.push_back(output.name);
  Model model{.graph = std::move(lowering.builder()).finish(values, wanted.outputs),
              .opset = options.opset,
              .producer = "reviewkd",
              .producer_version = options.producer_version,
              .description = "",
              .metadata = options.metadata};
  model.graph.name = network.name;
  model.graph.inputs.push_back({kInput, ElementType::kFloat32, dimensions_of(traced.shapes.at(traced.images))});
  for (size_t i = 0; i < outputs.size(); ++i) {
    model.graph.outputs.push_back(
        {wanted.outputs.at(i), element_type_of(outputs[i].type), dimensions_of(outputs[i].shape)});
  }
  return model;
}

uint64_t write_onnx(const Model& model, const std::string& path) {
  AtomicFile file(path);
  uint64_t bytes = 0;
  write_model(model, [&](const void* data, uint64_t size) {
    file.write(data, size);
    bytes += size;
  });
  file.commit();
  return bytes;
}

}  // namespace reviewkd::onnx
