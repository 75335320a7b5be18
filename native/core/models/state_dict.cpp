#include "core/models/state_dict.h"

#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "core/base/error.h"
#include "core/models/freezable_batch_norm.h"

namespace reviewkd {
namespace {

void collect(const torch::nn::Module& module, const std::string& prefix, NamedTensors& out) {
  if (const auto* norm = module.as<FreezableBatchNorm2dImpl>(); norm != nullptr && norm->is_frozen()) {
    // torchvision's FrozenBatchNorm2d: no counter.
    out.emplace_back(prefix + "weight", norm->weight);
    out.emplace_back(prefix + "bias", norm->bias);
    out.emplace_back(prefix + "running_mean", norm->running_mean);
    out.emplace_back(prefix + "running_var", norm->running_var);
    return;
  }
  for (const auto& item : module.named_parameters(/*recurse=*/false))
    out.emplace_back(prefix + item.key(), item.value());
  for (const auto& item : module.named_buffers(/*recurse=*/false)) out.emplace_back(prefix + item.key(), item.value());
  for (const auto& child : module.named_children()) collect(*child.value(), prefix + child.key() + ".", out);
}

struct DeviceAndTypeOrder {
  using Key = std::pair<at::Device, at::ScalarType>;
  bool operator()(const Key& a, const Key& b) const {
    return std::tuple(a.first.type(), a.first.index(), a.second) <
           std::tuple(b.first.type(), b.first.index(), b.second);
  }
};

/// The first few of a list of differences, and the number of remaining ones.
std::string summary(const std::vector<std::string>& items) {
  constexpr size_t kShown = 3;
  std::string text;
  for (size_t i = 0; i < std::min(items.size(), kShown); ++i) text += (i ? ", " : "") + items[i];
  if (items.size() > kShown) text += ", and " + std::to_string(items.size() - kShown) + " more";
  return text;
}

std::string differences_of(const StateDifferences& differences) {
  std::vector<std::string> mismatched;
  for (const auto& [name, expected, got] : differences.mismatched) {
    std::ostringstream text;
    text << name << " (expected " << at::IntArrayRef(expected) << ", received " << at::IntArrayRef(got) << ")";
    mismatched.push_back(text.str());
  }
  std::string message;
  const auto add = [&](const char* what, const std::vector<std::string>& items) {
    if (!items.empty()) message += std::string(message.empty() ? "" : "; ") + what + summary(items);
  };
  add("other shapes: ", mismatched);
  add("missing: ", differences.missing);
  add("unexpected: ", differences.unexpected);
  return message;
}

/// The numbers of classes of a network and of a state dict that differ in these alone.
std::optional<std::pair<int64_t, int64_t>> other_classes(const StateDifferences& differences) {
  if (!differences.missing.empty() || !differences.unexpected.empty() || differences.mismatched.empty()) {
    return std::nullopt;
  }
  std::optional<std::pair<int64_t, int64_t>> classes;
  for (const auto& [name, expected, got] : differences.mismatched) {
    const bool agrees = !expected.empty() && expected.size() == got.size() &&
                        std::equal(expected.begin() + 1, expected.end(), got.begin() + 1);
    if (!agrees || (classes && *classes != std::pair(expected[0], got[0]))) return std::nullopt;
    classes = {expected[0], got[0]};
  }
  return classes;
}

/// How PyTorch computes a weight from others: the entry that the file has for `name`, and the call that ends it.
struct Reparametrization {
  std::string entry;
  std::string removal;
};

std::optional<Reparametrization> reparametrization(const StateDifferences& differences) {
  for (const auto& name : differences.missing) {
    const size_t begin = name.rfind('.') + 1;
    const std::string leaf = name.substr(begin);
    const std::string original = name.substr(0, begin) + "parametrizations." + leaf + ".original";
    const std::string plain = "torch.nn.utils.parametrize.remove_parametrizations(module, \"" + leaf + "\")";
    const Reparametrization known[] = {
        {name + "_mask", "torch.nn.utils.prune.remove(module, \"" + leaf + "\")"},
        {name + "_g", "torch.nn.utils.remove_weight_norm(module)"},
        {name + "_u", "torch.nn.utils.remove_spectral_norm(module)"},
        {original, plain},
        {original + "0", plain},
    };
    for (const auto& kind : known) {
      const auto& others = differences.unexpected;
      if (std::find(others.begin(), others.end(), kind.entry) != others.end()) return kind;
    }
  }
  return std::nullopt;
}

void require_agreement(const LoadReport& report, const std::string& what) {
  const std::string differences = differences_of(report);
  if (differences.empty()) return;
  if (const auto classes = other_classes(report)) {
    fail(ErrorCode::kStateDictMismatch, "invalid ", what, ": expected weights for ", classes->first,
         " classes, received those for ", classes->second, ": ", differences,
         ". Use them with as many classes. `strict: false` loads all but the class layer.");
  }
  if (const auto found = reparametrization(report)) {
    fail(ErrorCode::kStateDictMismatch, "invalid ", what, ": expected plain weights, received some with ", found->entry,
         ", from which PyTorch computes them: ", differences, ". In Python, call ", found->removal,
         " for each such module before torch.save.");
  }
  // A Dice coefficient above 0.9. Networks that contain each other are less alike.
  const bool is_alike = 9 * (report.missing.size() + report.unexpected.size()) < 2 * report.matched;
  if (is_alike && report.mismatched.empty() && (report.missing.empty() || report.unexpected.empty())) {
    const bool has_all = report.missing.empty();
    fail(ErrorCode::kStateDictMismatch, "invalid ", what, ": expected this network's entries, received ",
         has_all ? "others as well: " : "some of them: ", differences,
         has_all ? ". Leave the others aside with `strict: false`." : ". `strict: false` loads the matching entries.");
  }
  fail(ErrorCode::kStateDictMismatch, "invalid ", what,
       ": expected this network's entries, received others: ", differences,
       ". The weights may belong to another network; `reviewkd inspect` names the one that fits best. ",
       report.missing.empty() && report.mismatched.empty() ? "Leave the others aside with `strict: false`."
                                                           : "`strict: false` loads the matching entries.");
}

[[noreturn]] void fail_without_match(const LoadReport& report, const std::string& what) {
  fail(ErrorCode::kStateDictMismatch, "invalid ", what,
       ": expected at least one of this network's entries, received only others: ", differences_of(report),
       ". The weights belong to another network; `reviewkd inspect` names the one that fits.");
}

}  // namespace

std::string mean_of_counter(const std::string& name) {
  return is_norm_counter(name) ? name.substr(0, name.size() - kNormCounter.size()) + "running_mean" : "";
}

std::string variance_of_counter(const std::string& name) {
  return is_norm_counter(name) ? name.substr(0, name.size() - kNormCounter.size()) + "running_var" : "";
}

NamedTensors state_dict(const torch::nn::Module& module, const std::string& prefix) {
  NamedTensors state;
  collect(module, prefix, state);
  return state;
}

NamedTensors detached_copy(const NamedTensors& state) {
  torch::NoGradGuard no_grad;
  NamedTensors copy;
  copy.reserve(state.size());
  std::map<std::pair<at::Device, at::ScalarType>, std::vector<size_t>, DeviceAndTypeOrder> elsewhere;
  for (const auto& [name, tensor] : state) {
    at::Tensor values = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).requires_grad(false));
    if (tensor.is_cpu()) values.copy_(tensor.detach());
    else elsewhere[{tensor.device(), tensor.scalar_type()}].push_back(copy.size());
    copy.emplace_back(name, values);
  }
  // From a device in one piece, because each copy waits for it.
  for (const auto& [key, indices] : elsewhere) {
    std::vector<at::Tensor> flat;
    for (const size_t i : indices) flat.push_back(state[i].second.detach().contiguous().view({-1}));
    const at::Tensor all = at::cat(flat).cpu();
    int64_t first = 0;
    for (const size_t i : indices) {
      at::Tensor& values = copy[i].second;
      values.copy_(all.narrow(0, first, values.numel()).view(values.sizes()));
      first += values.numel();
    }
  }
  return copy;
}

StateVersion version_of(const NamedTensors& state) {
  StateVersion version;
  for (const auto& [name, tensor] : state) version.emplace_back(tensor.const_data_ptr(), tensor._version());
  return version;
}

LoadReport load_state_dict(const NamedTensors& target, const NamedTensors& source, bool strict,
                           const std::string& what) {
  std::unordered_map<std::string, at::Tensor> given;
  for (const auto& [name, tensor] : source) given.emplace(name, tensor);

  LoadReport report;
  NamedTensors fitting;
  NamedTensors zeroed;
  for (const auto& [name, tensor] : target) {
    const auto found = given.find(name);
    if (found == given.end() && given.contains(mean_of_counter(name))) {
      zeroed.emplace_back(name, tensor);
    } else if (found == given.end()) {
      report.missing.push_back(name);
    } else if (found->second.sizes() != tensor.sizes()) {
      report.mismatched.push_back({name, tensor.sizes().vec(), found->second.sizes().vec()});
    } else {
      fitting.emplace_back(name, tensor);
    }
  }
  std::unordered_set<std::string> wanted;
  for (const auto& [name, tensor] : target) wanted.insert(name);
  for (const auto& [name, tensor] : source) {
    if (!wanted.count(name)) report.unexpected.push_back(name);
  }
  report.matched = fitting.size();
  if (strict) require_agreement(report, what);
  if (fitting.empty() && !source.empty()) fail_without_match(report, what);

  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : fitting) at::Tensor(tensor).copy_(given.at(name));
  for (const auto& [name, tensor] : zeroed) at::Tensor(tensor).zero_();
  return report;
}

}  // namespace reviewkd
