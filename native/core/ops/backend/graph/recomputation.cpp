#include "core/ops/backend/graph/recomputation.h"

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include "core/ops/backend/dispatch.h"
#include "core/ops/backend/graph/autograd_function.h"
#include "core/ops/backend/nhwc_view.h"

namespace reviewkd::ops {
namespace {

/// Lets an autograd context hold a function.
struct RecomputeHolder : torch::CustomClassHolder {
  explicit RecomputeHolder(Recomputation::Make make) : make(std::move(make)) {}
  const Recomputation::Make make;
};

}  // namespace

REVIEWKD_AUTOGRAD_FUNCTION(RecomputeFunction) {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& placeholder,
                            const Recomputation& recomputation) {
    at::Tensor values = at::empty_like(placeholder);
    const NhwcView images(values);
    const int64_t pixels = placeholder.size(2) * placeholder.size(3);
    parallel_for_ranges(placeholder.size(0), [&](int64_t first, int64_t last, int64_t) {
      for (int64_t n = first; n < last; ++n) recomputation.make(recomputation.sources, n * pixels, pixels, images[n]);
    });
    return values;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list& gradients) {
    return {gradients[0], at::Tensor()};
  }
};

LazyTensor LazyTensor::deferred(at::Tensor placeholder, Recomputation recomputation) {
  LazyTensor map;
  map.placeholder_ = std::move(placeholder);
  map.recomputation_ = std::move(recomputation);
  return map;
}

const at::Tensor& LazyTensor::values() const {
  if (!is_made()) values_ = RecomputeFunction::apply(placeholder_, *recomputation_);
  return values_;
}

SavedActivation::SavedActivation(const at::Tensor& map, const std::optional<Recomputation>& recomputation)
    : sources_(recomputation ? recomputation->sources : std::vector<at::Tensor>{map}),
      make_(recomputation ? recomputation->make : nullptr),
      sizes_(map.sizes().vec()),
      type_(map.scalar_type()) {}

void SavedActivation::save(torch::autograd::AutogradContext* context, torch::autograd::variable_list others) const {
  context->saved_data["sources"] = static_cast<int64_t>(sources_.size());
  context->saved_data["make"] = at::IValue::make_capsule(c10::make_intrusive<RecomputeHolder>(make_));
  context->saved_data["sizes"] = sizes_;
  context->saved_data["type"] = static_cast<int64_t>(type_);
  others.insert(others.end(), sources_.begin(), sources_.end());
  context->save_for_backward(std::move(others));
}

SavedActivation SavedActivation::restored(torch::autograd::AutogradContext* context,
                                          torch::autograd::variable_list& saved) {
  const auto first = saved.end() - context->saved_data["sources"].toInt();
  std::vector<at::Tensor> sources(first, saved.end());
  saved.erase(first, saved.end());
  return {std::move(sources),
          c10::static_intrusive_pointer_cast<RecomputeHolder>(context->saved_data["make"].toCapsule())->make,
          context->saved_data["sizes"].toIntVector(), static_cast<at::ScalarType>(context->saved_data["type"].toInt())};
}

const char* SavedActivation::pixels(int64_t first, int64_t count, ScratchScope& scratch) const {
  if (!make_) return NhwcView(sources_.front()).pixel(0, first);
  const int64_t bytes = count * sizes_[1] * static_cast<int64_t>(c10::elementSize(type_));
  char* const out = scratch.take<char>(bytes).data();
  make_(sources_, first, count, out);
  return out;
}

at::Tensor SavedActivation::empty_like() const {
  return at::empty(sizes_, at::TensorOptions(type_), at::MemoryFormat::ChannelsLast);
}

}  // namespace reviewkd::ops
