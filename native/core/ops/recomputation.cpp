#include "core/ops/recomputation.h"

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include "core/ops/dispatch.h"
#include "core/ops/images.h"

namespace reviewkd::ops {
namespace {

/// Slot of scratch memory.
constexpr int kMadeAgain = 4;

/// A function among what a context keeps.
struct Maker : torch::CustomClassHolder {
  explicit Maker(Recomputation::Make make) : make(std::move(make)) {}
  const Recomputation::Make make;
};

}  // namespace

KeptMap::KeptMap(const at::Tensor& map, const std::optional<Recomputation>& again)
    : sources_(again ? again->sources : std::vector<at::Tensor>{map}),
      make_(again ? again->make : nullptr),
      sizes_(map.sizes().vec()),
      type_(map.scalar_type()) {}

void KeptMap::save(torch::autograd::AutogradContext* context, torch::autograd::variable_list others) const {
  context->saved_data["sources"] = static_cast<int64_t>(sources_.size());
  context->saved_data["make"] = at::IValue::make_capsule(c10::make_intrusive<Maker>(make_));
  context->saved_data["sizes"] = sizes_;
  context->saved_data["type"] = static_cast<int64_t>(type_);
  others.insert(others.end(), sources_.begin(), sources_.end());
  context->save_for_backward(std::move(others));
}

KeptMap KeptMap::restored(torch::autograd::AutogradContext* context, torch::autograd::variable_list& saved) {
  const auto first = saved.end() - context->saved_data["sources"].toInt();
  std::vector<at::Tensor> sources(first, saved.end());
  saved.erase(first, saved.end());
  return {std::move(sources), c10::static_intrusive_pointer_cast<Maker>(context->saved_data["make"].toCapsule())->make,
          context->saved_data["sizes"].toIntVector(), static_cast<at::ScalarType>(context->saved_data["type"].toInt())};
}

const char* KeptMap::pixels(int64_t first, int64_t count) const {
  if (!make_) return Images(sources_.front()).pixel(0, first);
  void* const out = scratch(kMadeAgain, count * sizes_[1] * static_cast<int64_t>(c10::elementSize(type_)));
  make_(sources_, first, count, out);
  return static_cast<const char*>(out);
}

at::Tensor KeptMap::empty_like() const { return at::empty(sizes_, at::TensorOptions(type_), at::MemoryFormat::ChannelsLast); }

}  // namespace reviewkd::ops
