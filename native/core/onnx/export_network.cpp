#include "core/onnx/export_network.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/io/atomic_file.h"
#include "core/models/detection/detector.h"
#include "core/onnx/lowering.h"
#include "core/onnx/operators/operators.h"
#include "core/onnx/traced_graph.h"
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

/// A training that diverged leaves a network of no use.
void require_finite(const NamedTensors& state) {
  for (const auto& [name, tensor] : state) {
    if (!tensor.is_floating_point() || at::isfinite(tensor).all().item<bool>()) continue;
    fail(ErrorCode::kInvalidArgument,
         "cannot export the network: expected finite weights, received NaN or infinity in ", name,
         ". Export the weights of a training that did not diverge.");
  }
}

NamedFunction classifier(BackboneImpl& network) {
  return {[&](const at::Tensor& images) -> std::vector<at::Tensor> {
            const at::Tensor logits = network.forward(images).logits.to(at::kFloat);  // [N, classes]
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

Graph trace_graph(Network& network, const TraceOptions& options) {
  const NetworkLock lock(network);
  network.module->eval();
  network.module->feature_specs(options.image);  // throws for an image that is too small
  const NamedFunction wanted =
      network.module->is_classifier() ? classifier(*network.module) : detector(detector_of(*network.module));
  const NamedTensors state = state_dict(*network.module);
  require_finite(state);
  const TracedGraph traced = trace(state, options.image.height, options.image.width, wanted.function);
  Lowering lowering(traced, kInput, options.type, find_operator);
  std::vector<OnnxTensor> outputs = lowering.run();
  for (OnnxTensor& output : outputs) {
    if (output.is_floating_point()) output = lowering.cast(output, at::kFloat);
  }

  Names values;
  for (const OnnxTensor& output : outputs) values.push_back(output.name);
  Graph graph = std::move(lowering.builder()).finish(values, wanted.outputs);
  graph.name = network.name;
  graph.inputs.push_back({kInput, ElementType::kFloat32, dimensions_of(traced.shapes.at(traced.images))});
  for (size_t i = 0; i < outputs.size(); ++i) {
    graph.outputs.push_back({wanted.outputs.at(i), element_type_of(outputs[i].type), dimensions_of(outputs[i].shape)});
  }
  return graph;
}

void add_normalization(Graph& graph, const Normalization& normalization) {
  const std::string input = graph.inputs.at(0).name, scaled = "normalization.scaled", result = "normalization.result";
  for (Node& node : graph.nodes) std::ranges::replace(node.inputs, input, result);
  const auto& [mean, std] = normalization;
  const auto by_channel = [&](const std::string& name, const auto& value) {
    const at::Tensor values = at::tensor({value(0), value(1), value(2)}, at::kDouble).to(at::kFloat).view({1, 3, 1, 1});
    graph.initializers.push_back(initializer_of(name, values));
    return name;
  };
  const std::string scale = by_channel("normalization.scale", [&](size_t i) { return 1 / std[i]; });
  const std::string shift = by_channel("normalization.shift", [&](size_t i) { return -mean[i] / std[i]; });
  graph.nodes.insert(graph.nodes.begin(), {{"normalization.scale", "Mul", {input, scale}, {scaled}, {}},
                                           {"normalization.shift", "Add", {scaled, shift}, {result}, {}}});
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
