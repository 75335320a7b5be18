#pragma once
// Stochastic gradient descent with momentum, Nesterov's variant and weight decay, in PyTorch's formulation.
// Sutskever, Martens, Dahl, Hinton: "On the importance of initialization and momentum in deep learning" (ICML 2013).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/models/state_dict.h"
#include "core/ops/low_precision_copies/low_precision_copies.h"
#include "core/ops/sgd/device.h"

namespace reviewkd {

/// Parameters whose name contains a match of `pattern` (ECMAScript) differ from the rest.
struct ParameterGroup {
  std::string pattern;
  double learning_rate_scale = 1.0;
  std::optional<double> weight_decay;
};

struct SgdOptions {
  double learning_rate = 0.1;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;
  /// Of the coefficients of batch normalizations, unless a group says otherwise; default: `weight_decay`.
  std::optional<double> norm_weight_decay;
  /// The first group that matches a name wins.
  std::vector<ParameterGroup> groups;

  static SgdOptions from(const Options& options);
};

class Sgd {
 public:
  /// norms: the parameters that `SgdOptions::norm_weight_decay` applies to. Throws INVALID_ARGUMENT for a pattern that is
  /// no regular expression or matches no parameter.
  Sgd(NamedTensors parameters, const std::vector<at::Tensor>& norms, const SgdOptions& options);

  /// g ← ∇ + decay · p;  v ← momentum · v + g;  p ← p - rate · (nesterov ? g + momentum · v : v).
  void step(double learning_rate);

  void zero_grad();

  /// L2 norm over all gradients; scales them down to `limit` if they exceed it.
  double clip_gradients(double limit);

  /// The same without waiting for a device. finite: a float32 scalar on the device; if it is 0, nothing is changed. The
  /// norm: a float64 scalar.
  void step_on_device(const ops::DeviceRates& rates, const at::Tensor& finite);
  at::Tensor clip_gradients_on_device(double limit);

  /// Keeps the convolutions' weights in bfloat16 as well, for steps on a device: layers read those and leave their
  /// gradients there.
  void keep_low_precision_copies();
  /// Null before that.
  ops::LowPrecisionCopies* low_precision_copies() const { return copies_.get(); }

  /// Of each parameter, in the type that its layer computed; undefined if it has none.
  std::vector<at::Tensor> gradients() const;
  void set_gradients(const std::vector<at::Tensor>& gradients);

  /// Throws DEVICE_MISMATCH if the parameters are no longer on the device of their momentum buffers.
  void check_devices() const;

  /// Parameters with their names, as they were given.
  const NamedTensors& parameters() const { return parameters_; }

  /// Momentum buffers by the names of their parameters.
  NamedTensors state() const;

 private:
  struct Slot {
    at::Tensor momentum_buffer;
    double learning_rate_scale;
    double weight_decay;
  };

  NamedTensors parameters_;
  SgdOptions options_;
  std::vector<Slot> slots_;
  std::unique_ptr<ops::LowPrecisionCopies> copies_;
};

}  // namespace reviewkd
