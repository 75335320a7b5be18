#include "formats/pickle/numpy_calls.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "formats/pickle/pickle_arguments.h"

namespace reviewkd::pickle {
namespace {

constexpr char kLittleEndian = '<';
constexpr char kBigEndian = '>';
constexpr std::string_view kNoElements = "an array without elements";

bool is_string(const Value& value) {
  return value.kind == Kind::kText || value.kind == Kind::kBytes || value.kind == Kind::kLongText;
}

Value unreadable(std::string_view description) {
  Value value;
  value.kind = Kind::kUnreadable;
  value.text = description;
  return value;
}

Value opaque() {
  Value value;
  value.kind = Kind::kOpaque;
  return value;
}

/// Strides of dense elements whose axes vary as listed, the last fastest.
std::vector<int64_t> dense_strides(const std::vector<int64_t>& shape, const std::vector<size_t>& axes) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    strides[axes[i]] = step;
    step *= std::max<int64_t>(shape[axes[i]], 1);
  }
  return strides;
}

std::vector<size_t> axes_in_order(size_t count, bool is_fortran) {
  std::vector<size_t> axes(count);
  std::iota(axes.begin(), axes.end(), size_t{0});
  if (is_fortran) std::reverse(axes.begin(), axes.end());
  return axes;
}

/// The array of these elements. Throws FILE_CORRUPT unless they are as many bytes as its shape has.
Value array_of(const Input& input, Heap& heap, const Value& data, const Value& dtype, std::vector<int64_t> shape,
               const std::vector<size_t>& axes) {
  if (dtype.kind != Kind::kDtype) return unreadable("an array of an unknown type");
  const auto type = element_type_of_numpy(dtype.text);
  if (!type) return unreadable(dtype.text);
  // Arrays of Python objects have a list of them.
  if (!is_string(data)) return unreadable(kNoElements);
  uint64_t bytes = bytes_of(*type);
  uint64_t dense = 1;  // without regard to lengths of 0, so that the strides do not overflow
  for (const int64_t length : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(length), &bytes) ||
        __builtin_mul_overflow(dense, static_cast<uint64_t>(std::max<int64_t>(length, 1)), &dense) ||
        dense > uint64_t{1} << 60) {
      fail_corrupt(input, "an array that fits into memory");
    }
  }
  if (data.integer < 0 || bytes != static_cast<uint64_t>(data.integer))
    fail_corrupt(input, "as many bytes of an array as its shape has");
  const auto order = static_cast<char>(dtype.integer);
  FileRange place{data.position, data.bytes};
  place.encoding = data.encoding;
  place.reversed = order == kBigEndian ? static_cast<uint8_t>(bytes_of(*type)) : 1;
  place.decoded = bytes;
  heap.storages.push_back({{}, bytes, *type, place});
  std::vector<int64_t> strides = dense_strides(shape, axes);
  return add_tensor(input, heap, {heap.storages.size() - 1, *type, 0, std::move(shape), std::move(strides)});
}

}  // namespace

Value reconstruct_array() { return unreadable(kNoElements); }

Value array_from_buffer(const Input& input, Heap& heap, const Value& arguments) {
  const Arguments call(input, heap, arguments);
  std::vector<int64_t> shape = call.lengths(2, "a shape of lengths ≥ 0 for an array");
  const std::string_view order = call.at(3, Kind::kText, "an order for an array").text;
  std::vector<size_t> axes = axes_in_order(shape.size(), order == "F");
  if (order == "K" && call.count() > 4) {
    // The shape in the file is that before the axes were transposed.
    const std::vector<int64_t> given = call.lengths(4, "an order of axes for an array");
    std::vector<int64_t> transposed(shape.size());
    std::vector<bool> seen(shape.size());
    if (given.size() != shape.size()) fail_corrupt(input, "an axis for each dimension of an array");
    for (size_t i = 0; i < given.size(); ++i) {
      const auto axis = static_cast<size_t>(given[i]);
      if (axis >= shape.size() || seen[axis]) fail_corrupt(input, "each axis of an array once");
      seen[axis] = true;
      transposed[i] = shape[axis];
      axes[axis] = i;
    }
    shape = std::move(transposed);
  }
  return array_of(input, heap, call.at(0, "bytes for an array"), call.at(1, "a type for an array"), std::move(shape),
                  axes);
}

Value dtype_of_code(const Heap& heap, const Value& arguments) {
  if (arguments.items.empty()) return opaque();
  const Value& code = heap.at(arguments.items[0]);
  if (code.kind != Kind::kText && code.kind != Kind::kBytes) return opaque();
  Value value;
  value.kind = Kind::kDtype;
  value.text = code.text;
  value.integer = kLittleEndian;
  return value;
}

Value encoded_bytes(const Heap& heap, const Value& arguments) {
  if (arguments.items.size() != 2) return opaque();
  Value text = heap.at(arguments.items[0]);
  const std::string_view encoding = heap.at(arguments.items[1]).text;
  if (!is_string(text) || (encoding != "latin1" && encoding != "latin-1")) return opaque();
  if (text.kind == Kind::kText) text.kind = Kind::kBytes;
  return text;
}

void set_array_state(const Input& input, Heap& heap, Value& array, const Value& state) {
  const Arguments items(input, heap, state);
  const bool has_version = items.count() > 4;
  const size_t first = has_version ? 1 : 0;
  if (state.kind != Kind::kTuple || items.count() != first + 4) fail_corrupt(input, "the state of an array");
  const Value& is_fortran = items.at(first + 2, "an order for an array");
  if (is_fortran.kind != Kind::kBool && is_fortran.kind != Kind::kInteger) fail_corrupt(input, "an order for an array");
  std::vector<int64_t> shape = items.lengths(first, "a shape of lengths ≥ 0 for an array");
  const std::vector<size_t> axes = axes_in_order(shape.size(), is_fortran.integer != 0);
  array = array_of(input, heap, items.at(first + 3, "elements for an array"),
                   items.at(first + 1, "a type for an array"), std::move(shape), axes);
}

void set_dtype_state(const Input& input, const Heap& heap, Value& dtype, const Value& state) {
  const Arguments items(input, heap, state);
  if (state.kind != Kind::kTuple) fail_corrupt(input, "the state of a type");
  const Value& order = items.at(1, "a byte order for a type");
  if (!is_string(order) || order.text.size() != 1) fail_corrupt(input, "a byte order for a type");
  dtype.integer = static_cast<unsigned char>(order.text[0]);
}

}  // namespace reviewkd::pickle
