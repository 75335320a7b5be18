#pragma once
// The names that a pickle of weights may call, and their results.

#include <string_view>

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// Names that are on no list of this reader's.
enum class UnknownNames {
  kRefused,  // with an error that contains the name
  kOpaque,   // values that nothing is known of, nor of what comes of calling them
};

/// The value of a global name. Throws FILE_UNSUPPORTED if it is unknown and refused.
Value resolve(const Input& input, std::string_view module, std::string_view name, UnknownNames unknown);

/// Calls `callable` with the items of the tuple `arguments`. Throws FILE_UNSUPPORTED or FILE_CORRUPT.
Value call(const Input& input, Heap& heap, const Value& callable, const Value& arguments);

/// The value of a persistent id: ("storage", type, key, location, elements), plus a view of it in the legacy layout.
Value persistent(const Input& input, Heap& heap, const Value& id);

}  // namespace reviewkd::pickle
