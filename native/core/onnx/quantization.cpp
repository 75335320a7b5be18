#include "core/onnx/quantization.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "core/base/error.h"
#include "core/onnx/graph_builder.h"
#include "core/onnx/graph_runner.h"

namespace reviewkd::onnx {
namespace {

/// Activations are unsigned: runtimes on x86 and WebAssembly have kernels for products of unsigned and signed bytes.
constexpr double kLeast = 0, kMost = 255, kSteps = kMost - kLeast;
constexpr double kLargestWeight = 127;
/// Of the scales of a channel: smaller ones are denormal numbers, or 0.
constexpr double kLeastScale = 1e-30;

/// The numbers that 8 bits stand for: (q - zero) · scale.
struct Scale {
  double scale;
  int64_t zero;
};

/// Zero is always one of them, as padding has it.
Scale scale_of(double low, double high) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  const double scale = high > low ? (high - low) / kSteps : 1;
  return {scale, static_cast<int64_t>(std::clamp(std::nearbyint(kLeast - low / scale), kLeast, kMost))};
}

/// A network that has diverged would become one of finite numbers.
void require_finite(const at::Tensor& values) {
  if (at::isfinite(values).all().item<bool>()) return;
  fail(ErrorCode::kInvalidArgument,
       "cannot quantize the network: expected finite weights and activations, received NaN or infinity. Export the "
       "weights "
       "of a training that did not diverge.");
}

/// How often a tensor has which values.
class ValueCounts {
 public:
  void widen(const at::Tensor& values) {
    const auto [low, high] = at::aminmax(values);
    require_finite(at::stack({low, high}));
    low_ = std::min(low_, low.item<double>());
    high_ = std::max(high_, high.item<double>());
  }

  void add(const at::Tensor& values) {
    if (high_ <= low_) return;
    const at::Tensor counts = at::histc(values.to(at::kFloat), kBins, low_, high_).to(at::kDouble);
    counts_ = counts_.defined() ? counts_ + counts : counts;
  }

  /// The part of the range that loses least squared error: values beyond it are clipped, and those within it rounded.
  Scale best_scale() const {
    if (!counts_.defined()) return scale_of(low_, high_);
    constexpr int kParts = 64;
    Scale best = scale_of(low_, high_);
    double least = std::numeric_limits<double>::infinity();
    for (int part = kParts; part > kParts / 4; --part) {
      const double share = static_cast<double>(part) / kParts;
      const double loss = loss_of(low_ * share, high_ * share);
      if (loss >= least) continue;
      least = loss;
      best = scale_of(low_ * share, high_ * share);
    }
    return best;
  }

 private:
  static constexpr int64_t kBins = 4096;

  double loss_of(double low, double high) const {
    const Scale scale = scale_of(low, high);
    const double first = (kLeast - static_cast<double>(scale.zero)) * scale.scale;
    const double last = (kMost - static_cast<double>(scale.zero)) * scale.scale;
    const double width = (high_ - low_) / static_cast<double>(kBins);
    const at::Tensor centers = (at::arange(kBins, at::kDouble) + 0.5) * width + low_;
    const at::Tensor clipped = centers - centers.clamp(first, last);
    constexpr double kVarianceOfRounding = 1.0 / 12;
    const at::Tensor rounding = clipped.eq(0).to(at::kDouble) * (scale.scale * scale.scale * kVarianceOfRounding);
    return (counts_ * (clipped.square() + rounding)).sum().item<double>();
  }

  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
  at::Tensor counts_;
};

/// Nodes that runtimes compute in integers, or that move values about.
const std::set<std::string> kQuantized = {
    "Conv",   "Gemm",    "Add",     "MaxPool",   "AveragePool", "GlobalAveragePool",
    "Concat", "Flatten", "Reshape", "Transpose", "Slice"};
/// Those whose result has the values of their input.
const std::set<std::string> kMoving = {"MaxPool", "Flatten", "Reshape", "Transpose", "Slice"};
/// Activations are computed together with the node before them.
const std::set<std::string> kActivations = {"Relu", "Clip"};

class Quantizer {
 public:
  explicit Quantizer(Graph& graph) : graph_(graph) {
    for (const Initializer& constant : graph.initializers) constants_.insert(constant.name);
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (const std::string& input : graph.nodes[i].inputs) readers_[input].push_back(i);
    }
    for (const ValueInfo& output : graph.outputs) outputs_.insert(output.name);
    find_values();
  }

  void calibrate(const std::vector<at::Tensor>& images, const std::atomic<bool>& stop,
                 const std::function<void(int64_t done)>& progress) {
    constexpr int64_t kPasses = 2;
    const GraphRunner runner(graph_);
    int64_t seen = 0;
    const auto pass = [&](void (ValueCounts::*observe)(const at::Tensor&)) {
      for (const at::Tensor& batch : images) {
        throw_if(stop);
        runner.run(batch, [&](const std::string& name, const at::Tensor& values) {
          if (values_.contains(name)) (counts_[name].*observe)(values);
        });
        progress((seen += batch.size(0)) / kPasses);
      }
    };
    pass(&ValueCounts::widen);
    pass(&ValueCounts::add);
    for (const auto& [name, counts] : counts_) {
      throw_if(stop);
      scales_[name] = counts.best_scale();
    }
    for (const Node& node : graph_.nodes) {
      // In the order of the graph, so that a chain of such nodes has the scale of its first.
      if (kMoving.contains(node.op) && scales_.contains(node.inputs[0]) && scales_.contains(node.outputs[0]))
        scales_[node.outputs[0]] = scales_[node.inputs[0]];
    }
  }

  void insert() {
    std::vector<Node> nodes;
    const auto quantize_value = [&](const std::string& name) {
      if (!scales_.contains(name)) return;
      const auto [scale, zero] = scales_.at(name);
      const std::string scale_name = constant(name + ".scale", at::scalar_tensor(scale, at::kFloat));
      const std::string zero_name = constant(name + ".zero", at::scalar_tensor(zero, at::kByte));
      nodes.push_back({name + ".quantize", "QuantizeLinear", {name, scale_name, zero_name}, {name + ".uint8"}, {}});
      nodes.push_back(
          {name + ".dequantize", "DequantizeLinear", {name + ".uint8", scale_name, zero_name}, {quantized(name)}, {}});
    };
    quantize_value(graph_.inputs.at(0).name);
    for (Node node : graph_.nodes) {
      if (node.op == "Conv" || node.op == "Gemm") quantize_weights(node, nodes);
      for (std::string& input : node.inputs) {
        if (scales_.contains(input)) input = quantized(input);
      }
      nodes.push_back(node);
      for (const std::string& output : node.outputs) quantize_value(output);
    }
    graph_.nodes = std::move(nodes);
    drop_unread_constants();
  }

 private:
  static void throw_if(const std::atomic<bool>& stop) {
    if (stop) fail(ErrorCode::kAborted, "the quantization was stopped");
  }

  static std::string quantized(const std::string& name) { return name + ".dequantized"; }

  bool is_constant(const std::string& name) const { return constants_.contains(name); }

  /// An activation that is the only reader of a node's result has its place.
  bool is_before_activation(const std::string& name) const {
    const auto found = readers_.find(name);
    return found != readers_.end() && found->second.size() == 1 &&
           kActivations.contains(graph_.nodes[found->second.front()].op);
  }

  void find_values() {
    for (const Node& node : graph_.nodes) {
      if (!kQuantized.contains(node.op)) continue;
      if (node.op == "Add" && std::ranges::any_of(node.inputs, [&](const auto& name) { return is_constant(name); }))
        continue;  // shifts, as of a normalization
      const size_t inputs = node.op == "Add" || node.op == "Concat" ? node.inputs.size() : 1;
      for (size_t i = 0; i < inputs; ++i) values_.insert(node.inputs[i]);
      const std::string& output = node.outputs[0];
      if (node.op != "Gemm" && !is_before_activation(output) && !outputs_.contains(output)) values_.insert(output);
    }
    std::erase_if(values_, [&](const std::string& name) { return is_constant(name) || outputs_.contains(name); });
  }

  std::string constant(const std::string& name, const at::Tensor& values) {
    graph_.initializers.push_back(initializer_of(name, values));
    return name;
  }

  at::Tensor take(const std::string& name) const {
    return tensor_of(*std::ranges::find(graph_.initializers, name, &Initializer::name)).clone();
  }

  /// Weights of one output channel after the other; the bias with the scale of the sums.
  void quantize_weights(Node& node, std::vector<Node>& nodes) {
    const double input_scale = scales_.at(node.inputs[0]).scale;
    const at::Tensor weight = take(node.inputs[1]).to(at::kDouble);  // [O, …]
    at::Tensor scales = weight.flatten(1).abs().amax(1) / kLargestWeight;  // [O]
    const bool has_bias = node.inputs.size() > 2;
    const at::Tensor bias = has_bias ? take(node.inputs[2]).to(at::kDouble) : at::zeros_like(scales);
    require_finite(weight);
    require_finite(bias);
    // Runtimes add the bias to the sums as an int32 in their scale: where weights are tiny, it decides.
    constexpr double kLargestSum = int64_t{1} << 30;
    scales = at::maximum(scales, bias.abs() / (input_scale * kLargestSum));
    scales = at::where(scales.gt(kLeastScale), scales, at::ones_like(scales)).to(at::kFloat);
    std::vector<int64_t> rows(weight.dim(), 1);
    rows[0] = -1;
    const at::Tensor numbers =
        (weight / scales.to(at::kDouble).view(rows)).round().clamp(-kLargestWeight, kLargestWeight);
    // Layers may share weights, whose sums have another scale in each.
    const std::string prefix = node.outputs[0] + ".";
    node.inputs[1] = dequantized(nodes, prefix + node.inputs[1], numbers.to(at::kChar), scales);
    if (!has_bias) return;
    const at::Tensor bias_scales = (scales.to(at::kDouble) * static_cast<float>(input_scale)).to(at::kFloat);
    node.inputs[2] = dequantized(nodes, prefix + node.inputs[2],
                                 (bias / bias_scales.to(at::kDouble)).round().to(at::kInt), bias_scales);
  }

  std::string dequantized(std::vector<Node>& nodes, const std::string& name, const at::Tensor& numbers,
                          const at::Tensor& scales) {
    const std::string scale_name = constant(name + ".scale", scales);
    const std::string zero_name = constant(name + ".zero", at::zeros_like(scales).to(numbers.scalar_type()));
    nodes.push_back({name + ".dequantize",
                     "DequantizeLinear",
                     {constant(name + ".quantized", numbers), scale_name, zero_name},
                     {quantized(name)},
                     {{"axis", int64_t{0}}}});
    return quantized(name);
  }

  void drop_unread_constants() {
    std::unordered_set<std::string> read;
    for (const Node& node : graph_.nodes) read.insert(node.inputs.begin(), node.inputs.end());
    std::erase_if(graph_.initializers, [&](const Initializer& constant) { return !read.contains(constant.name); });
  }

  Graph& graph_;
  std::unordered_set<std::string> constants_, outputs_;
  std::unordered_map<std::string, std::vector<size_t>> readers_;
  std::set<std::string> values_;
  std::unordered_map<std::string, ValueCounts> counts_;
  std::unordered_map<std::string, Scale> scales_;
};

}  // namespace

void quantize_int8(Graph& graph, const std::vector<at::Tensor>& images, const std::atomic<bool>& stop,
                   const std::function<void(int64_t done)>& progress) {
  const torch::NoGradGuard no_grad;
  Quantizer quantizer(graph);
  quantizer.calibrate(images, stop, progress);
  quantizer.insert();
}

}  // namespace reviewkd::onnx
