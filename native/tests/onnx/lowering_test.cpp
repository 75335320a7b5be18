// From traces to ONNX graphs.

#include "core/onnx/lowering.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/models/backbones/registry.h"
#include "core/models/init.h"
#include "core/onnx/export_network.h"
#include "core/onnx/graph_runner.h"
#include "core/onnx/operators/operators.h"

namespace reviewkd::tests::onnx_lowering {
namespace {

using onnx::BatchCount;

/// The graph of a function of images [N, 3, 4, 4], with one parameter.
onnx::Graph graph_of(const at::Tensor& parameter, const std::function<at::Tensor(const at::Tensor&)>& function) {
  const onnx::TracedGraph traced = onnx::trace({{"parameter", parameter}}, 4, 4,
                                               [&](const at::Tensor& images) { return std::vector{function(images)}; });
  onnx::Lowering lowering(traced, "pixel_values", at::kFloat, onnx::find_operator);
  const auto outputs = lowering.run();
  onnx::Graph graph = std::move(lowering.builder()).finish({outputs.at(0).name}, {"result"});
  graph.inputs = {{"pixel_values", ElementType::kFloat32, {}}};
  graph.outputs = {{"result", ElementType::kFloat32, {}}};
  return graph;
}

std::vector<std::string> operators_of(const onnx::Graph& graph) {
  std::vector<std::string> names;
  for (const onnx::Node& node : graph.nodes) names.push_back(node.op);
  return names;
}

TEST(OnnxTrace, FindsWhatDependsOnTheNumberOfImages) {
  const at::Tensor parameter = at::ones({3});
  const onnx::TracedGraph traced = onnx::trace({{"p", parameter}}, 4, 4, [&](const at::Tensor& images) {
    return std::vector{(images * parameter.view({1, 3, 1, 1})).reshape({images.size(0) * 3, 16})};
  });
  EXPECT_EQ(traced.shapes.at(traced.graph->outputs().at(0)), (std::vector<BatchCount>{{3, 0}, {0, 16}}));
  EXPECT_EQ(traced.shapes.at(traced.images), (std::vector<BatchCount>{{1, 0}, {0, 3}, {0, 4}, {0, 4}}));
}

TEST(OnnxTrace, RefusesAFunctionThatDoesOtherThingsForOtherNumbers) {
  const at::Tensor parameter = at::ones({1});
  const auto trace = [&] {
    onnx::trace({{"p", parameter}}, 4, 4, [&](const at::Tensor& images) {
      return std::vector{images.size(0) == 2 ? images * parameter : images + parameter};
    });
  };
  try {
    trace();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
  EXPECT_FALSE(torch::jit::tracer::isTracing());
}

TEST(OnnxLowering, ComputesWhatDependsOnConstantsAlone) {
  const at::Tensor parameter = at::arange(3, at::kFloat);
  const onnx::Graph graph =
      graph_of(parameter, [&](const at::Tensor& images) { return images * (parameter.view({1, 3, 1, 1}) + 1).exp(); });
  EXPECT_EQ(operators_of(graph), (std::vector<std::string>{"Mul"}));
  const at::Tensor images = at::rand({5, 3, 4, 4});
  EXPECT_TRUE(at::allclose(onnx::GraphRunner(graph).run(images), images * (parameter.view({1, 3, 1, 1}) + 1).exp()));
}

TEST(OnnxLowering, LeavesOutWhatNoResultNeeds) {
  const onnx::Graph graph = graph_of(at::ones({1}), [](const at::Tensor& images) {
    images.relu().exp();
    return images.relu();
  });
  EXPECT_EQ(operators_of(graph), (std::vector<std::string>{"Relu"}));
  EXPECT_TRUE(graph.initializers.empty());
}

TEST(OnnxLowering, SaysWhichOperationHasNoOperator) {
  try {
    graph_of(at::ones({1}), [](const at::Tensor& images) { return images.erfinv(); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("aten::erfinv"), std::string::npos);
  }
}

TEST(OnnxLowering, FoldsNormalizationsInFloat64) {
  Network network;
  network.name = "resnet8";
  network.module = find_model("resnet8").build(10);
  network.module->initialize(init::generator(3));
  for (auto& buffer : network.module->named_buffers()) {
    if (buffer.key().ends_with("running_mean")) buffer.value().uniform_(-1, 1);
    if (buffer.key().ends_with("running_var")) buffer.value().uniform_(0.5, 2);
  }
  const onnx::Graph graph = onnx::trace_graph(network, {.image = {32, 32}, .type = at::kFloat});
  EXPECT_EQ(std::ranges::count(operators_of(graph), "BatchNormalization"), 0);
  const at::Tensor images = at::rand({3, 3, 32, 32});
  network.module->to(at::kDouble);
  const at::Tensor expected = network.module->forward(images.to(at::kDouble)).logits;
  const at::Tensor found = onnx::GraphRunner(graph).run(images).to(at::kDouble);
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5 * expected.abs().max().item<double>());
}

TEST(OnnxLowering, KeepsGradientsOfTheNetwork) {
  Network network;
  network.name = "resnet8";
  network.module = find_model("resnet8").build(10);
  network.module->initialize(init::generator(3));
  onnx::trace_graph(network, {.image = {32, 32}, .type = at::kHalf});
  for (const at::Tensor& parameter : network.module->parameters()) EXPECT_TRUE(parameter.requires_grad());
}

}  // namespace
}  // namespace reviewkd::tests::onnx_lowering
