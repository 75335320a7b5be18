#include "formats/pickle/numpy_calls.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>

#include "formats/pickle/pickle_arguments.h"

namespace reviewkd::pickle {
namespace {

constexpr char kLittleEndian = '<';
constexpr char kBigEndian = '>';
constexpr std::string_view kNoElements = "an array without elements";

bool is_string(const Value& value) {
  return value.kind == Kind::kText || value.kind == Kind::kBytes || value.kind == Kind::kLongText;
}

constexpr Global kDtype{"numpy", "dtype"};
constexpr Global kScalar{"numpy", "generic"};
constexpr Global kEncode{"_codecs", "encode"};

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
  if (dtype.kind != Kind::kDtype) return unreadable_value("an array of an unknown type");
  const auto type = element_type_of_numpy(dtype.text);
  if (!type) return unreadable_value(dtype.text);
  // Arrays of Python objects have a list of them.
  if (!is_string(data)) return unreadable_value(kNoElements);
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

template <typename Number>
Number read_as(const char* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

/// The number of these bytes in little-endian order; nullopt for types that C++ has no name for.
std::optional<Value> number_of(ElementType type, const char* bytes) {
  switch (type) {
    case ElementType::kFloat64: return real_value(read_as<double>(bytes));
    case ElementType::kFloat32: return real_value(read_as<float>(bytes));
    case ElementType::kInt64: return integer_value(Kind::kInteger, read_as<int64_t>(bytes));
    case ElementType::kInt32: return integer_value(Kind::kInteger, read_as<int32_t>(bytes));
    case ElementType::kInt16: return integer_value(Kind::kInteger, read_as<int16_t>(bytes));
    case ElementType::kInt8: return integer_value(Kind::kInteger, read_as<int8_t>(bytes));
    case ElementType::kUInt8: return integer_value(Kind::kInteger, read_as<uint8_t>(bytes));
    case ElementType::kBool: return integer_value(Kind::kBool, *bytes != 0);
    default: return std::nullopt;
  }
}

}  // namespace

Value reconstruct_array() { return unreadable_value(kNoElements, kAwaitsState); }

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

Value dtype_of_code(Heap& heap, const Value& arguments) {
  if (arguments.items.empty()) return opaque_value(heap, kDtype);
  const Value& code = heap.at(arguments.items[0]);
  if (code.kind != Kind::kText && code.kind != Kind::kBytes) return opaque_value(heap, kDtype);
  Value value;
  value.kind = Kind::kDtype;
  value.text = code.text;
  value.integer = kLittleEndian;
  return value;
}

Value scalar_of(Heap& heap, const Value& arguments) {
  if (arguments.items.size() != 2) return opaque_value(heap, kScalar);
  const Value& dtype = heap.at(arguments.items[0]);
  const Value& stored = heap.at(arguments.items[1]);
  const auto type = dtype.kind == Kind::kDtype ? element_type_of_numpy(dtype.text) : std::nullopt;
  const bool is_short = stored.kind == Kind::kText || stored.kind == Kind::kBytes;
  auto bytes = type && is_short ? decoded(stored.text, stored.encoding) : std::nullopt;
  if (!bytes || bytes->size() != bytes_of(*type)) return opaque_value(heap, kScalar);
  if (static_cast<char>(dtype.integer) == kBigEndian) std::reverse(bytes->begin(), bytes->end());
  const auto number = number_of(*type, bytes->data());
  return number ? *number : opaque_value(heap, kScalar);
}

Value encoded_bytes(Heap& heap, const Value& arguments) {
  if (arguments.items.size() != 2) return opaque_value(heap, kEncode);
  Value text = heap.at(arguments.items[0]);
  const std::string_view encoding = heap.at(arguments.items[1]).text;
  if (!is_string(text) || (encoding != "latin1" && encoding != "latin-1")) return opaque_value(heap, kEncode);
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
