#pragma once
// The arguments of a call in a pickle, checked on access.

#include <string_view>
#include <vector>

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// The items of a tuple. `what` describes the expected item in the message of FILE_CORRUPT, which every access throws
/// if the item is missing or another.
class Arguments {
 public:
  Arguments(const Input& input, const Heap& heap, const Value& tuple) : input_(input), heap_(heap), tuple_(tuple) {}

  size_t count() const { return tuple_.items.size(); }
  const Value& at(size_t index, std::string_view what) const;
  const Value& at(size_t index, Kind kind, std::string_view what) const;
  /// An integer ≥ 0.
  uint64_t length(size_t index, std::string_view what) const;
  /// A tuple or list of integers ≥ 0, as many as a tensor may have dimensions.
  std::vector<int64_t> lengths(size_t index, std::string_view what) const;

 private:
  uint64_t natural(const Value& value, std::string_view what) const;

  const Input& input_;
  const Heap& heap_;
  const Value& tuple_;
};

/// Adds a tensor and returns the value that refers to it. Throws FILE_UNSUPPORTED if there are too many.
Value add_tensor(const Input& input, Heap& heap, Tensor tensor);

}  // namespace reviewkd::pickle
