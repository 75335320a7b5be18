#pragma once
// What a pickle of weights may hold: plain values, and tensors that say where their elements lie. Nothing here runs.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/element_type.h"

namespace reviewkd::pickle {

/// A value's place in its heap. Values refer to each other by it, so one can stand in many places.
using Id = uint32_t;
constexpr Id kNothing = 0xFFFF'FFFF;

enum class Kind : uint8_t {
  kNone,
  kBool,
  kInteger,
  kBigInteger,  // beyond 64 bits; text: its bytes
  kReal,
  kText,
  kBytes,
  kTuple,
  kList,
  kDict,
  kCallable,  // one of the few names that may stand in a pickle
  kStorage,   // integer: index of a view
  kTensor,    // integer: index of a tensor
  kOpaque,    // something harmless of no use here, such as a scalar of numpy
};

struct Value {
  Kind kind = Kind::kNone;
  union {
    int64_t integer = 0;  // also of a bool, of a callable and of an index
    double real;
  };
  std::string_view text;
  /// Of a tuple and a list; of a dictionary keys and values in turn.
  std::vector<Id> items;
  /// A dictionary of what was set on an OrderedDict beside its entries.
  Id attributes = kNothing;
};

/// Bytes that lie outside the pickle, by their key.
struct Storage {
  std::string_view key;
  uint64_t bytes;
  /// Of the elements that the pickle counts them in.
  ElementType type;
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

// An honest state dict takes some fifteen values a tensor. With the largest pickle these bounds keep a hostile one far below
// 100 MB of memory.
constexpr size_t kMostValues = 400'000;
constexpr size_t kMostReferences = 2'000'000;
constexpr size_t kMostTensors = 50'000;

/// Everything that the pickles of one file made. Texts point into the buffers that the pickles were read into.
struct Heap {
  std::deque<Value> values;
  std::vector<Storage> storages;
  std::unordered_map<std::string_view, size_t> storage_of_key;
  std::vector<View> views;
  std::vector<Tensor> tensors;
  /// How many references containers hold.
  uint64_t references = 0;

  const Value& at(Id id) const { return values[id]; }
};

/// The value under a text key, or nothing.
const Value* find(const Heap& heap, const Value& dict, std::string_view key);

}  // namespace reviewkd::pickle
