#include "formats/pickle/pickle_calls.h"

#include <array>
#include <optional>

#include "core/base/error.h"
#include "formats/pickle/numpy_calls.h"
#include "formats/pickle/pickle_arguments.h"

namespace reviewkd::pickle {
namespace {

/// The effect of an allowed name; a storage or element type carries its ElementType from kTypes on.
enum class Callable : int64_t {
  kDict,                    // an empty or given dictionary
  kSequence,                // a tuple or list of its first argument
  kFirstArgument,           // a tensor, with or without further settings
  kRebuildTensor,           // (storage, offset, shape, strides, …)
  kRebuildTensorV3,         // the same with its own type
  kRebuildFromType,         // (function, class, arguments, state)
  kClass,                   // only valid as an argument
  kHarmless,                // creates a value that is not used here
  kReconstructArray,        // (class, shape, type): state follows
  kArrayFromBuffer,         // (bytes, dtype, shape, order, axes)
  kDtype,                   // (code, align, copy): state follows
  kEncode,                  // (text, encoding)
  kEmptyBytes,
  kUntypedStorage,
  kStorageTypes = 100,      // + ElementType
  kElementTypes = 200,      // + ElementType
};

struct Allowed {
  std::string_view module;
  std::string_view name;
  Callable callable;
};

constexpr auto kAllowed = std::to_array<Allowed>({
    {"collections", "OrderedDict", Callable::kDict},
    {"collections", "Counter", Callable::kDict},  // the milestones of a schedule
    {"torch", "Size", Callable::kSequence},
    {"builtins", "set", Callable::kSequence},
    {"__builtin__", "set", Callable::kSequence},
    {"torch._utils", "_rebuild_tensor", Callable::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", Callable::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v3", Callable::kRebuildTensorV3},
    {"torch._utils", "_rebuild_parameter", Callable::kFirstArgument},
    {"torch._utils", "_rebuild_parameter_with_state", Callable::kFirstArgument},
    {"torch._tensor", "_rebuild_from_type_v2", Callable::kRebuildFromType},
    {"torch.nn.parameter", "Parameter", Callable::kFirstArgument},
    {"torch", "Tensor", Callable::kClass},
    {"torch.storage", "UntypedStorage", Callable::kUntypedStorage},
    {"torch", "UntypedStorage", Callable::kUntypedStorage},
    {"torch", "device", Callable::kHarmless},
    {"torch.serialization", "_get_layout", Callable::kHarmless},
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
    {"numpy.core.multiarray", "scalar", Callable::kHarmless},
    {"numpy._core.multiarray", "scalar", Callable::kHarmless},
});

Value callable_value(Callable callable, int64_t type = 0) {
  Value value;
  value.kind = Kind::kCallable;
  value.integer = static_cast<int64_t>(callable) + type;
  return value;
}

Value opaque_value() {
  Value value;
  value.kind = Kind::kOpaque;
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
  const int64_t index = value.integer - static_cast<int64_t>(first);
  if (value.kind != Kind::kCallable || index < 0 || index >= 100) return std::nullopt;
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
    } else if (count() > 0) {
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

  Value sequence() const {
    Value value;
    value.kind = Kind::kTuple;
    if (count() > 0) {
      const Value& given = at(0, "items");
      if (given.kind != Kind::kTuple && given.kind != Kind::kList) fail_corrupt(input_, "a sequence");
      value.items = given.items;
    }
    return copied(std::move(value));
  }

  /// `type`: the element type, if it differs from the storage's.
  Value tensor(std::optional<ElementType> type = std::nullopt) const {
    // As pickle.dump writes it, without torch.save: a call that nothing here knows.
    if (at(0, "a storage for a tensor").kind == Kind::kOpaque) return tensor_without_storage();
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

  Value empty_bytes() const {
    if (count() > 0) return opaque_value();
    Value value;
    value.kind = Kind::kBytes;
    return value;
  }

  Value parameter() const {
    const Value& value = at(0, "a tensor for a parameter");
    return value.kind == Kind::kUnreadable ? value : at(0, Kind::kTensor, "a tensor for a parameter");
  }

  void refuse_metadata(size_t index) const {
    if (index >= count()) return;
    const Value& metadata = at(index, "metadata");
    if (metadata.kind == Kind::kNone || (metadata.kind == Kind::kDict && metadata.items.empty())) return;
    fail(ErrorCode::kFileUnsupported, "invalid tensors in ", input_.name(),
         ": expected plain ones, received conjugated or negated ones. In Python, x.resolve_conj() makes them plain.");
  }

 private:
  static Value tensor_without_storage() {
    Value value;
    value.kind = Kind::kUnreadable;
    value.text = "a tensor of pickle.dump";
    return value;
  }

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

Value resolve(const Input& input, std::string_view module, std::string_view name, UnknownNames unknown) {
  for (const auto& allowed : kAllowed) {
    if (module == allowed.module && name == allowed.name) return callable_value(allowed.callable);
  }
  if (module == "torch") {
    if (const auto type = element_type_of_storage(name))
      return callable_value(Callable::kStorageTypes, static_cast<int64_t>(*type));
    if (const auto type = element_type_of_name(name))
      return callable_value(Callable::kElementTypes, static_cast<int64_t>(*type));
  }
  if (unknown == UnknownNames::kOpaque) return opaque_value();
  fail(ErrorCode::kFileUnsupported, "invalid pickle in ", input.name(),
       ": expected only tensors, numbers, text, lists and dictionaries, received ", module, ".", name,
       ", which is neither called nor loaded. In Python, torch.save(model.state_dict(), \"weights.pt\") writes a "
       "readable file.");
}

Value call(const Input& input, Heap& heap, const Value& callable, const Value& arguments) {
  const Call call(input, heap, arguments);
  switch (static_cast<Callable>(callable.integer)) {
    case Callable::kDict: return call.dict();
    case Callable::kSequence: return call.sequence();
    case Callable::kFirstArgument: return call.parameter();
    case Callable::kRebuildTensor: call.refuse_metadata(6); return call.tensor();
    case Callable::kRebuildTensorV3: {
      call.refuse_metadata(7);
      const auto type = type_in(call.at(6, "a type for a tensor"), Callable::kElementTypes);
      if (!type) fail_corrupt(input, "a type for a tensor");
      return call.tensor(type);
    }
    case Callable::kRebuildFromType: {
      const Value& function = call.at(0, Kind::kCallable, "a function that creates a tensor");
      // Only once, and not by itself: calls do not nest.
      if (static_cast<Callable>(function.integer) == Callable::kRebuildFromType)
        fail_corrupt(input, "a function that creates a tensor");
      return pickle::call(input, heap, function, call.at(2, Kind::kTuple, "arguments for a tensor"));
    }
    case Callable::kHarmless: return opaque_value();
    case Callable::kReconstructArray: return reconstruct_array();
    case Callable::kArrayFromBuffer: return array_from_buffer(input, heap, arguments);
    case Callable::kDtype: return dtype_of_code(heap, arguments);
    case Callable::kEncode: return encoded_bytes(heap, arguments);
    case Callable::kEmptyBytes: return call.empty_bytes();
    default: fail_corrupt(input, "a callable");
  }
}

Value persistent(const Input& input, Heap& heap, const Value& id) {
  const Call call(input, heap, id);
  if (call.at(0, Kind::kText, "a kind of storage").text != "storage") {
    fail(ErrorCode::kFileUnsupported, "invalid pickle in ", input.name(), ": expected only storages, received \"",
         call.at(0, "").text,
         "\", part of a whole module. In Python, torch.save(model.state_dict(), \"weights.pt\") writes a readable "
         "file.");
  }
  const Value& storage_type = call.at(1, Kind::kCallable, "a type of storage");
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
