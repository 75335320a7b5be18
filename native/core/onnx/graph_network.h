#pragma once
// An ONNX graph in the place of the classifier that it was made from, for measuring it on the same data.

#include <memory>

#include "core/models/backbone.h"
#include "core/onnx/graph_runner.h"

namespace reviewkd::onnx {

class GraphNetworkImpl : public BackboneImpl {
 public:
  GraphNetworkImpl(Graph graph, int64_t num_classes);

  /// Logits alone.
  BackboneOutput forward(const at::Tensor& images) override { return {{}, runner_.run(images)}; }
  std::vector<FeatureSpec> feature_specs(ImageSize) const override { return {}; }
  /// Throws INTERNAL: constants have their values.
  void initialize(at::Generator generator) override;
  int64_t num_classes() const override { return num_classes_; }

 private:
  Graph graph_;
  GraphRunner runner_;
  int64_t num_classes_;
};

}  // namespace reviewkd::onnx
