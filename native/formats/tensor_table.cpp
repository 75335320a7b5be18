#include "formats/tensor_table.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "core/base/error.h"

namespace reviewkd {
namespace {

constexpr std::string_view kOptimizer = "optimizer.";
/// Of data-parallel training, torch.compile, and a network within PyTorch Lightning's or another module.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod.", "model."};
/// Of parts that were compiled, sharded or recomputed on their own: anywhere in a name.
constexpr std::string_view kInnerWrappers[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
constexpr std::string_view kStudent = "student.";
/// Last parts of names: of torch.optim.swa_utils.AveragedModel, and of thop, which adds two to every layer.
constexpr std::string_view kCounters[] = {"n_averaged", "total_ops", "total_params", "_extra_state"};

bool begins_with(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && name.starts_with(prefix);
}

bool is_counter(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return std::find(std::begin(kCounters), std::end(kCounters), last) != std::end(kCounters);
}

/// Names of entries in the state dict, of tensors and of values that are not read.
template <typename Table, typename Visit>
void each_name(Table& table, Visit visit) {
  for (auto& tensor : table.tensors) visit(tensor.name);
  for (auto& value : table.unread) {
    if (value.is_entry) visit(value.name);
  }
}

/// `leaves` takes a name.
template <typename Leaves>
void leave_aside(TensorTable& table, Leaves leaves) {
  table.selection.left_aside +=
      std::erase_if(table.tensors, [&](const StoredTensor& tensor) { return leaves(tensor.name); });
  for (auto& value : table.unread) value.is_entry = value.is_entry && !leaves(value.name);
}

void leave_counters_aside(TensorTable& table) {
  for (const auto& tensor : table.tensors) {
    if (is_counter(tensor.name)) table.selection.counters.push_back(tensor.name);
  }
  if (table.selection.counters.size() == table.tensors.size()) return table.selection.counters.clear();
  leave_aside(table, is_counter);
}

void take_off(TensorTable& table, std::string_view prefix) {
  each_name(table, [&](std::string& name) { name.erase(0, prefix.size()); });
  table.selection.prefixes.emplace_back(prefix);
}

std::string without_inner(std::string name, std::string_view wrapper) {
  for (size_t at = name.find(wrapper); at != std::string::npos; at = name.find(wrapper, at)) {
    if (at > 0 && name[at - 1] != '.') {
      ++at;
    } else {
      name.erase(at, wrapper.size());
    }
  }
  return name;
}

/// Names without wrappers of parts of the network, unless two names would be one.
void unwrap_parts(TensorTable& table) {
  for (const std::string_view wrapper : kInnerWrappers) {
    bool is_there = false;
    each_name(table, [&](const std::string& name) { is_there = is_there || name.find(wrapper) != std::string::npos; });
    if (!is_there) continue;
    std::unordered_set<std::string> names;
    size_t count = 0;
    each_name(table, [&](const std::string& name) {
      ++count;
      names.insert(without_inner(name, wrapper));
    });
    if (names.size() != count) continue;
    each_name(table, [&](std::string& name) { name = without_inner(std::move(name), wrapper); });
    table.selection.prefixes.emplace_back(wrapper);
  }
}

std::vector<std::string> names_of_entries(const TensorTable& table) {
  std::vector<std::string> names;
  each_name(table, [&](const std::string& name) { names.push_back(name); });
  return names;
}

std::vector<std::string> names_of_tensors(const TensorTable& table) {
  std::vector<std::string> names;
  names.reserve(table.tensors.size());
  for (const auto& tensor : table.tensors) names.push_back(tensor.name);
  return names;
}

/// The wrappers around all names, outermost first.
std::vector<std::string_view> shared_wrappers(const std::vector<std::string>& names) {
  std::vector<std::string_view> wrappers;
  size_t around = 0;
  const auto is_shared = [&](std::string_view wrapper) {
    return !names.empty() && std::all_of(names.begin(), names.end(), [&](std::string_view name) {
      return begins_with(name.substr(around), wrapper);
    });
  };
  for (;;) {
    const auto wrapper = std::find_if(std::begin(kWrappers), std::end(kWrappers), is_shared);
    if (wrapper == std::end(kWrappers)) return wrappers;
    wrappers.push_back(*wrapper);
    around += wrapper->size();
  }
}

/// How names begin that belong to a key: with the key and a dot, or with these below the wrappers around all names
/// ("module.teacher." for "teacher"). Empty if no name does.
std::string prefix_of_key(const std::vector<std::string>& names, const std::string& key) {
  const auto wrappers = shared_wrappers(names);
  std::string prefix = key + ".";
  size_t around = 0;
  for (auto wrapper = wrappers.begin();; ++wrapper) {
    const auto is_below = [&](const std::string& name) { return begins_with(name, prefix); };
    if (std::any_of(names.begin(), names.end(), is_below)) return prefix;
    if (wrapper == wrappers.end()) return "";
    prefix.insert(around, *wrapper);
    around += wrapper->size();
  }
}

}  // namespace

const char* to_string(WeightsFormat format) {
  switch (format) {
    case WeightsFormat::kSafetensors: return "safetensors";
    case WeightsFormat::kPyTorchZip: return "pytorch-zip";
    case WeightsFormat::kPyTorchLegacy: return "pytorch-legacy";
    case WeightsFormat::kNumpyPickle: return "numpy-pickle";
  }
  return "";
}

uint64_t element_count(const std::vector<int64_t>& shape) {
  uint64_t count = 1;
  for (const int64_t length : shape) count *= static_cast<uint64_t>(length);
  return count;
}

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  return strides;
}

void keep_network(TensorTable& table) {
  const auto of = [](std::string_view prefix) {
    return [=](std::string_view name) { return begins_with(name, prefix); };
  };
  const auto names = names_of_entries(table);
  const bool is_optimizer = std::all_of(names.begin(), names.end(), of(kOptimizer));
  if (!is_optimizer) leave_aside(table, of(kOptimizer));
  leave_counters_aside(table);
  const auto unwrap = [&] {
    for (const std::string_view wrapper : shared_wrappers(names_of_entries(table))) take_off(table, wrapper);
  };
  unwrap();
  const auto is_of_student = [](const StoredTensor& tensor) { return begins_with(tensor.name, kStudent); };
  if (std::any_of(table.tensors.begin(), table.tensors.end(), is_of_student)) {
    leave_aside(table, [](std::string_view name) { return !begins_with(name, kStudent); });
    take_off(table, kStudent);
    unwrap();
  }
  unwrap_parts(table);
}

bool has_names_below(std::vector<std::string> names, const std::string& key) {
  if (!prefix_of_key(names, key).empty()) return true;
  for (auto& name : names) {
    for (const std::string_view wrapper : kInnerWrappers) name = without_inner(std::move(name), wrapper);
  }
  return !prefix_of_key(names, key).empty();
}

bool keep_below(TensorTable& table, const std::string& key) {
  std::string prefix = prefix_of_key(names_of_tensors(table), key);
  if (prefix.empty()) {
    unwrap_parts(table);
    prefix = prefix_of_key(names_of_tensors(table), key);
  }
  if (prefix.empty()) return false;
  leave_aside(table, [&](std::string_view name) { return !begins_with(name, prefix); });
  take_off(table, prefix);
  return true;
}

std::vector<std::string> first_parts(const TensorTable& table) {
  constexpr size_t kMost = 8;
  const auto names = names_of_tensors(table);
  size_t around = 0;
  for (const std::string_view wrapper : shared_wrappers(names)) around += wrapper.size();
  std::vector<std::string> parts;
  for (const auto& name : names) {
    const size_t dot = name.find('.', around);
    const std::string part = name.substr(around, dot == std::string::npos ? dot : dot - around);
    if (dot == std::string::npos || std::find(parts.begin(), parts.end(), part) != parts.end()) continue;
    if (parts.size() < kMost) parts.push_back(part);
  }
  return parts;
}

void check_expansion(const TensorTable& table, const ByteSource& source) {
  constexpr uint64_t kTimes = 4;
  constexpr uint64_t kBeside = uint64_t{16} << 20;
  uint64_t bytes = 0;
  for (const auto& tensor : table.tensors) {
    uint64_t own = 0;
    const bool overflows = __builtin_mul_overflow(element_count(tensor.shape), bytes_of(tensor.type), &own) ||
                           __builtin_add_overflow(bytes, own, &bytes);
    if (!overflows && bytes / kTimes <= source.size() + kBeside) continue;
    fail(ErrorCode::kFileUnsupported, "invalid tensor ", tensor.name, " in ", source.name(),
         ": expected tensors of at most ", kTimes, " times the file's ", source.size(),
         " bytes, received a view that repeats its elements more often. In Python, tensor.contiguous() stores each of "
         "them.");
  }
}

}  // namespace reviewkd
