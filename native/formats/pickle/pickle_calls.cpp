#include "formats/pickle/pickle_calls.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/error.h"
#include "formats/pickle/numpy_calls.h"
#include "formats/pickle/pickle_arguments.h"

namespace reviewkd::pickle {
namespace {

/// The effect of a known name; a storage or element type carries its ElementType from kTypes on.
enum class Callable : int64_t {
  kDict,                    // an empty or given dictionary
  kDefaultDict,             // an empty one; the argument creates values that are missing
  kSequence,                // a list of its first argument's items, to which more may be added
  kFirstArgument,           // a tensor, with or without further settings
  kRebuildTensor,           // (storage, offset, shape, strides, …)
  kRebuildTensorV3,         // the same with its own type
  kRebuildFromType,         // (function, class, arguments, state)
  kClass,                   // only valid as an argument
  kReconstructArray,        // (class, shape, type): state follows
  kArrayFromBuffer,         // (bytes, dtype, shape, order, axes)
  kDtype,                   // (code, align, copy): state follows
  kScalar,                  // (dtype, bytes)
  kEncode,                  // (text, encoding)
  kEmptyBytes,
  kUntypedStorage,
  kStorageTypes = 100,      // + ElementType
  kElementTypes = 200,      // + ElementType
};

struct Known {
  std::string_view module;
  std::string_view name;
  Callable callable;
};

constexpr auto kKnown = std::to_array<Known>({
    {"collections", "OrderedDict", Callable::kDict},
    {"collections", "Counter", Callable::kDict},  // the milestones of a schedule
    {"collections", "defaultdict", Callable::kDefaultDict},
    {"collections", "deque", Callable::kSequence},
    {"torch", "Size", Callable::kSequence},
    {"builtins", "dict", Callable::kDict},
    {"__builtin__", "dict", Callable::kDict},
    {"builtins", "list", Callable::kSequence},
    {"__builtin__", "list", Callable::kSequence},
    {"builtins", "set", Callable::kSequence},
    {"__builtin__", "set", Callable::kSequence},
    {"builtins", "frozenset", Callable::kSequence},
    {"__builtin__", "frozenset", Callable::kSequence},
    {"torch._utils", "_rebuild_tensor", Callable::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", Callable::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v3", Callable::kRebuildTensorV3},
    {"torch._utils", "_rebuild_parameter", Callable::kFirstArgument},
    {"torch._utils", "_rebuild_parameter_with_state", Callable::kFirstArgument},
    // Tensors of XLA: an array of NumPy or a tensor on the CPU, and the device.
    {"torch._utils", "_rebuild_device_tensor_from_numpy", Callable::kFirstArgument},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", Callable::kFirstArgument},
    {"torch._tensor", "_rebuild_from_type_v2", Callable::kRebuildFromType},
    {"torch.nn.parameter", "Parameter", Callable::kFirstArgument},
    {"torch", "Tensor", Callable::kClass},
    {"torch.storage", "UntypedStorage", Callable::kUntypedStorage},
    {"torch", "UntypedStorage", Callable::kUntypedStorage},
    {"_codecs", "encode", Callable::kEncode},
    {"__builtin__", "bytes", Callable::kEmptyBytes},
    {"builtins", "bytes", Callable::kEmptyBytes},
    {"numpy", "dtype", Callable::kDtype},
    {"numpy", "ndarray", Callable::kClass},
    {"numpy.core.multiarray", "_reconstruct", Callable::kReconstructArray},
    {"numpy._core.multiarray", "_reconstruct", Callable::kReconstructArray},
    {"numpy.core.numeric", "_frombuffer", Callable::kArrayFromBuffer},
    {"numpy._core.numeric", "_frombuffer", Callable::kArrayFromBuffer},
    // The best accuracy so far is often a NumPy scalar.
    {"numpy.core.multiarray", "scalar", Callable::kScalar},
    {"numpy._core.multiarray", "scalar", Callable::kScalar},
});

/// Bytes of an element of PyTorch's other storages, by the name of their class.
struct ForeignType {
  std::string_view name;
  uint64_t bytes;
};
constexpr auto kForeignTypes = std::to_array<ForeignType>({
    {"ComplexDoubleStorage", 16},
    {"ComplexFloatStorage", 8},
    {"QInt32Storage", 4},
    {"QInt8Storage", 1},
    {"QUInt8Storage", 1},
});

constexpr std::string_view kUnknownTensor = "a tensor of an unknown type";

Value callable_value(Callable callable, int64_t type = 0) {
  Value value;
  value.kind = Kind::kCallable;
  value.integer = static_cast<int64_t>(callable) + type;
  return value;
}

Value indexed(Kind kind, size_t index) {
  Value value;
  value.kind = kind;
  value.integer = static_cast<int64_t>(index);
  return value;
}

/// The type encoded in a callable of a range.
std::optional<ElementType> type_in(const Value& value, Callable first) {
  if (value.kind != Kind::kCallable) return std::nullopt;
  const int64_t index = value.integer - static_cast<int64_t>(first);
  if (index < 0 || index >= 100) return std::nullopt;
  return static_cast<ElementType>(index);
}

/// Evaluates one call from its arguments.
class Call : public Arguments {
 public:
  Call(const Input& input, Heap& heap, const Value& arguments)
      : Arguments(input, heap, arguments), input_(input), heap_(heap) {}

  Value dict() const {
    Value value;
    value.kind = Kind::kDict;
    // Python 2 passes an OrderedDict its entries here, a list of pairs; a Counter is called with a dictionary.
    if (count() > 0 && at(0, "entries").kind == Kind::kDict) {
      value.items = at(0, "entries").items;
    } else if (count() > 0 && at(0, "entries").kind != Kind::kOpaque) {
      for (const Id pair : at(0, Kind::kList, "a list of entries").items) {
        const Value& entry = heap_.at(pair);
        if ((entry.kind != Kind::kTuple && entry.kind != Kind::kList) || entry.items.size() != 2) {
          fail_corrupt(input_, "pairs of keys and values");
        }
        value.items.insert(value.items.end(), entry.items.begin(), entry.items.end());
      }
    }
    return copied(std::move(value));
  }

  static Value empty_dict() {
    Value value;
    value.kind = Kind::kDict;
    return value;
  }

  Value sequence() const {
    Value value;
    value.kind = Kind::kList;
    if (count() > 0) {
      const Value& given = at(0, "items");
      // Of anything else that can be iterated over, such as the keys of a dictionary, nothing is known.
      if (given.kind == Kind::kTuple || given.kind == Kind::kList) value.items = given.items;
    }
    return copied(std::move(value));
  }

  /// `type`: the element type, if it differs from the storage's.
  Value tensor(std::optional<ElementType> type = std::nullopt) const {
    const Value& storage = at(0, "a storage for a tensor");
    // As pickle.dump writes it, without torch.save: a call that nothing here knows.
    if (storage.kind == Kind::kOpaque) return unreadable_value("a tensor of pickle.dump");
    if (storage.kind == Kind::kUnreadable) return storage;
    const View& view = heap_.views[static_cast<size_t>(at(0, Kind::kStorage, "a storage for a tensor").integer)];
    Tensor tensor{view.storage, type.value_or(view.type), 0, lengths(2, "a shape of lengths ≥ 0 for a tensor"),
                  lengths(3, "strides ≥ 0 for a tensor")};
    const uint64_t element = bytes_of(tensor.type);
    const uint64_t offset = length(1, "an offset ≥ 0 for a tensor");
    if (tensor.shape.size() != tensor.strides.size()) fail_corrupt(input_, "a stride for each dimension of a tensor");
    if (view.offset % element != 0) fail_corrupt(input_, "a view of whole elements");
    check_extent(tensor, offset, view.bytes / element);
    tensor.offset = static_cast<int64_t>(view.offset / element + offset);
    return add_tensor(input_, heap_, std::move(tensor));
  }

  /// Python 2's own spelling of b"", which is all that is called in pickles of Python 3.
  static Value empty_bytes() {
    Value value;
    value.kind = Kind::kBytes;
    return value;
  }

  Value parameter() const {
    const Value& value = at(0, "a tensor for a parameter");
    const bool is_known = value.kind != Kind::kUnreadable && value.kind != Kind::kOpaque;
    return is_known ? at(0, Kind::kTensor, "a tensor for a parameter") : value;
  }

  /// Conjugated or negated elements are stored as they are without it.
  bool has_metadata(size_t index) const {
    if (index >= count()) return false;
    const Value& metadata = at(index, "metadata");
    return metadata.kind != Kind::kNone && !(metadata.kind == Kind::kDict && metadata.items.empty());
  }

 private:
  /// Counts references that were never on the stack.
  Value copied(Value value) const {
    heap_.references += value.items.size();
    check_bound(input_, heap_.references, kMostReferences);
    return value;
  }

  /// Throws if an element is outside the storage's `room` elements.
  void check_extent(const Tensor& tensor, uint64_t offset, uint64_t room) const {
    uint64_t last = offset;  // the farthest element
    uint64_t elements = 1;
    bool fits = true;
    bool empty = false;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      const auto length = static_cast<uint64_t>(tensor.shape[i]);
      uint64_t reach = 0;
      empty = empty || length == 0;
      if (length == 0) continue;
      fits = fits && !__builtin_mul_overflow(elements, length, &elements);
      fits = fits && !__builtin_mul_overflow(length - 1, static_cast<uint64_t>(tensor.strides[i]), &reach);
      fits = fits && !__builtin_add_overflow(last, reach, &last);
    }
    // Elements are counted in 63 bits, bytes in 64.
    fits = fits && elements <= (uint64_t{1} << 60) && (empty ? offset <= room : last < room);
    if (!fits) fail_corrupt(input_, "a tensor within its storage");
  }

  const Input& input_;
  Heap& heap_;
};

}  // namespace

Value resolve(Heap& heap, Global global) {
  for (const auto& known : kKnown) {
    if (global.module == known.module && global.name == known.name) return callable_value(known.callable);
  }
  if (global.module == "torch") {
    if (const auto type = element_type_of_storage(global.name))
      return callable_value(Callable::kStorageTypes, static_cast<int64_t>(*type));
    if (const auto type = element_type_of_name(global.name))
      return callable_value(Callable::kElementTypes, static_cast<int64_t>(*type));
  }
  return opaque_value(heap, global);
}

Value call(const Input& input, Heap& heap, const Value& callable, const Value& arguments) {
  const Call call(input, heap, arguments);
  switch (static_cast<Callable>(callable.integer)) {
    case Callable::kDict: return call.dict();
    case Callable::kDefaultDict: return Call::empty_dict();
    case Callable::kSequence: return call.sequence();
    case Callable::kFirstArgument: return call.parameter();
    case Callable::kRebuildTensor:
      return call.has_metadata(6) ? unreadable_value("a conjugated or negated tensor") : call.tensor();
    case Callable::kRebuildTensorV3: {
      const Value& given = call.at(6, "a type for a tensor");
      const auto type = type_in(given, Callable::kElementTypes);
      if (given.kind == Kind::kOpaque) return unreadable_value(heap.globals[static_cast<size_t>(given.integer)].name);
      if (!type) fail_corrupt(input, "a type for a tensor");
      return call.has_metadata(7) ? unreadable_value("a conjugated or negated tensor") : call.tensor(type);
    }
    case Callable::kRebuildFromType: {
      const Value& function = call.at(0, "a function that creates a tensor");
      if (function.kind == Kind::kOpaque) return function;
      if (function.kind != Kind::kCallable) fail_corrupt(input, "a function that creates a tensor");
      // Only once, and not by itself: calls do not nest.
      if (static_cast<Callable>(function.integer) == Callable::kRebuildFromType)
        fail_corrupt(input, "a function that creates a tensor");
      return pickle::call(input, heap, function, call.at(2, Kind::kTuple, "arguments for a tensor"));
    }
    case Callable::kReconstructArray: return reconstruct_array();
    case Callable::kArrayFromBuffer: return array_from_buffer(input, heap, arguments);
    case Callable::kDtype: return dtype_of_code(heap, arguments);
    case Callable::kScalar: return scalar_of(heap, arguments);
    case Callable::kEncode: return encoded_bytes(heap, arguments);
    case Callable::kEmptyBytes:
      return call.count() > 0 ? opaque_value(heap, {"builtins", "bytes"}) : Call::empty_bytes();
    default: fail_corrupt(input, "a callable");
  }
}

Value persistent(const Input& input, Heap& heap, const Value& id) {
  const Call call(input, heap, id);
  if (id.kind != Kind::kTuple || call.count() == 0) return opaque_value(heap, {});
  const Value& kind = call.at(0, "a kind of storage");
  if (kind.kind != Kind::kText || kind.text != "storage") {
    // ("module", class, file, source) in the legacy layout.
    const Value saved = call.count() > 1 ? call.at(1, "a class") : Value();
    return saved.kind == Kind::kOpaque ? saved : opaque_value(heap, {});
  }
  const Value& storage_type = call.at(1, "a type of storage");
  if (storage_type.kind == Kind::kOpaque) {
    const std::string_view name = heap.globals[static_cast<size_t>(storage_type.integer)].name;
    const auto found = std::find_if(kForeignTypes.begin(), kForeignTypes.end(),
                                    [&](const ForeignType& type) { return type.name == name; });
    heap.foreign_storages.emplace(call.at(2, Kind::kText, "a key for a storage").text,
                                  ForeignStorage{name, found == kForeignTypes.end() ? 0 : found->bytes});
    check_bound(input, heap.foreign_storages.size(), kMostTensors);
    return unreadable_value(name.empty() ? kUnknownTensor : name);
  }
  if (storage_type.kind != Kind::kCallable) fail_corrupt(input, "a type of storage");
  const bool untyped = static_cast<Callable>(storage_type.integer) == Callable::kUntypedStorage;
  const auto type = untyped ? ElementType::kUInt8 : type_in(storage_type, Callable::kStorageTypes);
  if (!type) fail_corrupt(input, "a type of storage");
  const std::string_view key = call.at(2, Kind::kText, "a key for a storage").text;
  const auto bytes_at = [&](const Call& arguments, size_t index) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(arguments.length(index, "a length ≥ 0 for a storage"), bytes_of(*type), &bytes)) {
      fail_corrupt(input, "a storage that fits into memory");
    }
    return bytes;
  };
  const uint64_t bytes = bytes_at(call, 4);

  const auto [known, is_new] = heap.storage_of_key.emplace(key, heap.storages.size());
  if (is_new) heap.storages.push_back({key, bytes, *type});
  if (heap.storages[known->second].bytes != bytes) fail_corrupt(input, "one size per storage");
  View view{known->second, 0, bytes, *type};
  if (call.count() > 5 && call.at(5, "a view").kind != Kind::kNone) {
    const Call part(input, heap, call.at(5, Kind::kTuple, "a view of a storage"));
    view.offset = bytes_at(part, 1);
    view.bytes = bytes_at(part, 2);
    if (view.offset > bytes || view.bytes > bytes - view.offset) fail_corrupt(input, "a view within its storage");
  }
  heap.views.push_back(view);
  check_bound(input, heap.views.size(), kMostTensors);
  return indexed(Kind::kStorage, heap.views.size() - 1);
}

}  // namespace reviewkd::pickle
