// Quantization: what a graph computes before and after it.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <torch/csrc/autograd/grad_mode.h>

#include <atomic>

#include "core/models/backbones/registry.h"
#include "core/models/inference.h"
#include "core/models/init.h"
#include "core/onnx/export_network.h"
#include "core/onnx/graph_network.h"
#include "core/onnx/graph_runner.h"
#include "core/onnx/quantization.h"

namespace reviewkd::tests::quantization {
namespace {

std::shared_ptr<Network> network_of(const std::string& name) {
  auto network = std::make_shared<Network>();
  network->name = name;
  network->module = find_model(name).build(10);
  network->module->initialize(init::generator(1));
  return network;
}

at::Tensor images_of(int64_t count) {
  return at::arange(count * 3 * 32 * 32, at::kFloat).mul(0.37).sin().view({count, 3, 32, 32});
}

TEST(Quantization, ChangesLogitsByLittle) {
  const auto network = network_of("resnet8");
  const onnx::Graph graph = onnx::trace_graph(*network, {.image = {32, 32}, .type = at::kFloat});
  const at::Tensor images = images_of(16);
  const at::Tensor expected = onnx::GraphRunner(graph).run(images);
  onnx::Graph quantized = graph;
  const std::atomic<bool> stop = false;
  std::vector<int64_t> done;
  onnx::quantize_int8(quantized, {images}, stop, [&](int64_t count) { done.push_back(count); });
  EXPECT_EQ(done, (std::vector<int64_t>{8, 16}));  // they are passed twice
  const at::Tensor found = onnx::GraphRunner(quantized).run(images);
  const double error = (found - expected).norm().item<double>() / expected.norm().item<double>();
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.1);
}

TEST(Quantization, IsComputedInPartsOfABatch) {
  const auto network = network_of("resnet8");
  onnx::Graph graph = onnx::trace_graph(*network, {.image = {32, 32}, .type = at::kFloat});
  const std::atomic<bool> stop = false;
  onnx::quantize_int8(graph, {images_of(16)}, stop, [](int64_t) {});
  const at::Tensor images = images_of(64);
  const at::Tensor expected = onnx::GraphRunner(graph).run(images);
  onnx::GraphNetworkImpl whole(graph, 10);
  whole.eval();
  const torch::NoGradGuard no_grad;
  // Parts may take another convolution, whose last digits move a value to the next of 256 steps.
  const at::Tensor found = infer(whole, images).logits;
  EXPECT_LT((found - expected).abs().max().item<double>(), 0.05 * expected.abs().max().item<double>());
}

}  // namespace
}  // namespace reviewkd::tests::quantization
