#include "formats/tensor_table.h"

#include <algorithm>
#include <string_view>

#include "core/base/error.h"

namespace reviewkd {
namespace {

constexpr std::string_view kOptimizer = "optimizer.";
/// Of data-parallel training, torch.compile, and a network within PyTorch Lightning's or another module.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod.", "model."};
constexpr std::string_view kStudent = "student.";

bool begins_with(const StoredTensor& tensor, std::string_view prefix) {
  return tensor.name.size() > prefix.size() && std::string_view(tensor.name).substr(0, prefix.size()) == prefix;
}

template <typename Leaves>
void leave_aside(TensorTable& table, Leaves leaves) {
  table.selection.left_aside += std::erase_if(table.tensors, leaves);
}

void take_off(TensorTable& table, std::string_view prefix) {
  for (auto& tensor : table.tensors) tensor.name.erase(0, prefix.size());
  table.selection.prefixes.emplace_back(prefix);
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
    return [=](const StoredTensor& tensor) { return begins_with(tensor, prefix); };
  };
  const auto all_begin_with = [&](std::string_view prefix) {
    return !table.tensors.empty() && std::all_of(table.tensors.begin(), table.tensors.end(), of(prefix));
  };
  if (!all_begin_with(kOptimizer)) leave_aside(table, of(kOptimizer));
  const auto unwrap = [&] {
    const auto shared = [&] { return std::find_if(std::begin(kWrappers), std::end(kWrappers), all_begin_with); };
    for (auto wrapper = shared(); wrapper != std::end(kWrappers); wrapper = shared()) take_off(table, *wrapper);
  };
  unwrap();
  if (std::any_of(table.tensors.begin(), table.tensors.end(), of(kStudent))) {
    leave_aside(table, [&](const StoredTensor& tensor) { return !begins_with(tensor, kStudent); });
    take_off(table, kStudent);
    unwrap();
  }
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
