#pragma once
// The values that a pickle of weights may hold: plain values, and tensors that refer to their elements. Nothing here
// executes.

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/element_type.h"
#include "formats/file_range.h"

namespace reviewkd::pickle {

/// A value's index in its heap. Values refer to each other by it, so one can occur in many places.
using Id = uint32_t;
constexpr Id kNothing = 0xFFFF'FFFF;

enum class Kind : uint8_t {
  kNone,
  kBool,
  kInteger,
  kBigInteger,  // beyond 64 bits; text: as it is stored
  kReal,
  kText,
  kBytes,
  kLongText,    // text or bytes, too long to be a name, that stay in the file
  kTuple,
  kList,
  kDict,
  kCallable,  // one of the few names that are evaluated
  kStorage,   // integer: index of a view
  kTensor,    // integer: index of a tensor
  kDtype,       // text: NumPy's code of its elements; integer: the character of their byte order
  kUnreadable,  // an array or tensor that cannot be read; text: a description. integer: kAwaitsState, or else 0
  kOpaque,      // an unknown global, or what comes of calling it, which nothing does; integer: index of the global
};

/// Of an array without elements, which its state brings.
constexpr int64_t kAwaitsState = 1;

struct Value {
  Kind kind = Kind::kNone;
  /// Of text and bytes, which are stored as in the file.
  TextEncoding encoding = TextEncoding::kNone;
  /// The dictionary of the attributes set on an OrderedDict or an opaque object.
  Id attributes = kNothing;
  union {
    int64_t integer = 0;  // also of a bool, of a callable and of an index; of text and bytes, the number decoded or -1
    double real;
  };
  std::string_view text;
  /// Of text and bytes: where they lie in the file.
  uint64_t position = 0;
  uint64_t bytes = 0;
  /// Items of a tuple or list; keys and values of a dictionary in turn.
  std::vector<Id> items;
};

/// Bytes outside the pickle, by key, or within it.
struct Storage {
  std::string_view key;
  uint64_t bytes;
  /// The type of the elements in which the pickle measures it.
  ElementType type;
  /// Within the pickle.
  std::optional<FileRange> place = std::nullopt;
};

/// A part of a storage, in bytes.
struct View {
  size_t storage;
  uint64_t offset;
  uint64_t bytes;
  ElementType type;
};

/// Every element lies within its storage.
struct Tensor {
  size_t storage;
  ElementType type;
  /// Of the first element, in elements from the storage's start.
  int64_t offset;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
};

/// The name of a class or function.
struct Global {
  std::string_view module;
  std::string_view name;
};

/// A storage of elements that no weight file of this package holds, such as complex numbers.
struct ForeignStorage {
  /// The name of its class.
  std::string_view type;
  /// In bytes; 0 if unknown.
  uint64_t element;
};

// A legitimate state dict takes some fifteen values per tensor. Together with the largest pickle, these bounds keep a
// hostile one far below 100 MB of memory.
constexpr size_t kMostValues = 400'000;
constexpr size_t kMostReferences = 2'000'000;
constexpr size_t kMostTensors = 50'000;

/// All values created by the pickles of one file. Texts point into the buffers that the pickles were read into.
struct Heap {
  std::deque<Value> values;
  std::vector<Storage> storages;
  std::unordered_map<std::string_view, size_t> storage_of_key;
  std::vector<View> views;
  std::vector<Tensor> tensors;
  /// Those that opaque values come from.
  std::vector<Global> globals;
  /// By key.
  std::unordered_map<std::string_view, ForeignStorage> foreign_storages;
  /// Total number of references in containers.
  uint64_t references = 0;

  const Value& at(Id id) const { return values[id]; }
};

/// A boolean or an integer.
Value integer_value(Kind kind, int64_t integer);

Value real_value(double real);

/// An opaque value of a global name.
Value opaque_value(Heap& heap, Global global);

/// A tensor or array that cannot be read. `description` must outlive the heap.
Value unreadable_value(std::string_view description, int64_t awaits_state = 0);

/// The value of a text key, or null.
const Value* find(const Heap& heap, const Value& dict, std::string_view key);

}  // namespace reviewkd::pickle
