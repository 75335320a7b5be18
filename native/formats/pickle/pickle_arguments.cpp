#include "formats/pickle/pickle_arguments.h"

namespace reviewkd::pickle {
namespace {

constexpr size_t kMostDimensions = 16;

}  // namespace

const Value& Arguments::at(size_t index, std::string_view what) const {
  if (index >= count()) fail_corrupt(input_, what);
  return heap_.at(tuple_.items[index]);
}

const Value& Arguments::at(size_t index, Kind kind, std::string_view what) const {
  const Value& value = at(index, what);
  if (value.kind != kind) fail_corrupt(input_, what);
  return value;
}

uint64_t Arguments::length(size_t index, std::string_view what) const { return natural(at(index, what), what); }

std::vector<int64_t> Arguments::lengths(size_t index, std::string_view what) const {
  const Value& list = at(index, what);
  if ((list.kind != Kind::kTuple && list.kind != Kind::kList) || list.items.size() > kMostDimensions)
    fail_corrupt(input_, what);
  std::vector<int64_t> numbers;
  numbers.reserve(list.items.size());
  for (const Id item : list.items) numbers.push_back(static_cast<int64_t>(natural(heap_.at(item), what)));
  return numbers;
}

uint64_t Arguments::natural(const Value& value, std::string_view what) const {
  if (value.kind != Kind::kInteger || value.integer < 0) fail_corrupt(input_, what);
  return static_cast<uint64_t>(value.integer);
}

Value add_tensor(const Input& input, Heap& heap, Tensor tensor) {
  heap.tensors.push_back(std::move(tensor));
  check_bound(input, heap.tensors.size(), kMostTensors);
  Value value;
  value.kind = Kind::kTensor;
  value.integer = static_cast<int64_t>(heap.tensors.size() - 1);
  return value;
}

}  // namespace reviewkd::pickle
