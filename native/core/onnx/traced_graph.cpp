#include "core/onnx/traced_graph.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/ir/constants.h>

#include "core/base/error.h"
#include "core/ops/backend/dispatch.h"

namespace reviewkd::onnx {
namespace jit = torch::jit;
namespace {

constexpr int64_t kFewImages = 2, kMoreImages = kFewImages + 1;

[[noreturn]] void fail_unlike(const std::string& what) {
  fail(ErrorCode::kInternal, "cannot trace the network: ", what, " depends on the number of images.");
}

/// The line through the values for two and for three images, which ends in 0 if it is one: anything else is no size of
/// a batch.
BatchCount line(int64_t few, int64_t more) {
  const BatchCount count{.per_image = more - few, .constant = few - kFewImages * (more - few)};
  if (count.per_image < 0 || (count.per_image > 0 && count.constant != 0)) fail_unlike("a number");
  return count;
}

std::vector<int64_t> sizes_of(const jit::Value& value) {
  const auto type = value.type()->cast<c10::TensorType>();
  const auto sizes = type ? type->sizes().concrete_sizes() : std::nullopt;
  if (!sizes) fail(ErrorCode::kInternal, "cannot trace the network: ", value.debugName(), " has no known size.");
  return *sizes;
}

/// Compares the recordings of two and of three images, node by node.
class Comparison {
 public:
  explicit Comparison(TracedGraph& result) : result_(result) {}

  void compare(const jit::Graph& few, const jit::Graph& more) {
    compare(few.inputs(), more.inputs(), "inputs");
    auto other = more.nodes().begin();
    for (const jit::Node* node : few.nodes()) {
      if (other == more.nodes().end() || (*other)->kind() != node->kind() ||
          (*other)->inputs().size() != node->inputs().size()) {
        fail_unlike(node->kind().toQualString());
      }
      if (node->kind() == c10::prim::Constant) compare_constants(*node, **other);
      compare(node->outputs(), (*other)->outputs(), node->kind().toQualString());
      ++other;
    }
    if (other != more.nodes().end()) fail_unlike((*other)->kind().toQualString());
  }

 private:
  void compare(at::ArrayRef<const jit::Value*> few, at::ArrayRef<const jit::Value*> more, const std::string& what) {
    if (few.size() != more.size()) fail_unlike(what);
    for (size_t i = 0; i < few.size(); ++i) {
      if (!few[i]->type()->isSubtypeOf(*c10::TensorType::get())) continue;
      const std::vector<int64_t> sizes = sizes_of(*few[i]), others = sizes_of(*more[i]);
      if (sizes.size() != others.size()) fail_unlike(what);
      auto& shape = result_.shapes[few[i]];
      for (size_t dimension = 0; dimension < sizes.size(); ++dimension)
        shape.push_back(line(sizes[dimension], others[dimension]));
    }
  }

  void compare_constants(const jit::Node& few, const jit::Node& more) {
    const auto a = jit::toIValue(few.output()), b = jit::toIValue(more.output());
    if (!a || !b || a->tagKind() != b->tagKind()) fail_unlike("a constant");
    if (a->isInt()) {
      if (a->toInt() != b->toInt()) result_.counts[few.output()] = line(a->toInt(), b->toInt());
    } else if (a->isTensor()) {
      if (a->toTensor().defined() && !a->toTensor().equal(b->toTensor())) fail_unlike("a constant tensor");
    } else if (a->isDouble() ? a->toDouble() != b->toDouble() : *a != *b) {
      fail_unlike("a constant");
    }
  }

  TracedGraph& result_;
};

/// Has this thread's operations recorded while alive. Unlike jit::tracer::trace, which ends with passes that know only
/// libtorch's own operations.
class Recording {
 public:
  Recording() : state_(std::make_shared<jit::tracer::TracingState>()) {
    state_->warn = false;
    state_->force_outplace = true;
    state_->enterFrame();
    jit::tracer::setTracingState(state_);
  }
  ~Recording() { jit::tracer::setTracingState(nullptr); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  void add_input(const at::Tensor& tensor) {
    jit::Value* const value = state_->graph->addInput();
    value->inferTypeFrom(tensor);
    state_->setValue(tensor, value);
  }
  void add_output(const at::Tensor& tensor) { state_->graph->registerOutput(state_->getOutput(tensor, 0)); }
  std::shared_ptr<jit::Graph> graph() const { return state_->graph; }

 private:
  std::shared_ptr<jit::tracer::TracingState> state_;
};

}  // namespace

std::shared_ptr<jit::Graph> trace_batch(const NamedTensors& state, const at::Tensor& images,
                                        const ImageFunction& function) {
  const torch::NoGradGuard no_grad;
  const ops::ReferenceScope reference(true);
  Recording recording;
  recording.add_input(images);
  // Parameters are inputs of the graph, so that values that are read from them are recognised.
  for (const auto& [name, tensor] : state) recording.add_input(tensor);
  for (const at::Tensor& output : function(images)) recording.add_output(output);
  return recording.graph();
}

TracedGraph trace(const NamedTensors& state, int64_t height, int64_t width, const ImageFunction& function) {
  const auto recorded = [&](int64_t count) {
    // No value is special, such as the zeros of which all pixels are equal.
    at::Tensor images = at::arange(count * 3 * height * width, at::kDouble).mul_(0.7).sin_().mul_(0.5).add_(0.5);
    images = images.view({count, 3, height, width}).to(state.at(0).second.options());
    return trace_batch(state, images, function);
  };
  TracedGraph result{.graph = recorded(kFewImages),
                     .images = nullptr,
                     .parameters = {},
                     .parameter_names = {},
                     .counts = {},
                     .shapes = {}};
  Comparison(result).compare(*result.graph, *recorded(kMoreImages));
  result.images = result.graph->inputs().at(0);
  for (size_t i = 0; i < state.size(); ++i) {
    const jit::Value* const value = result.graph->inputs().at(i + 1);
    result.parameters[value] = state[i].second;
    result.parameter_names[value] = state[i].first;
  }
  return result;
}

}  // namespace reviewkd::onnx
