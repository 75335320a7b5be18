#pragma once
// The names that a pickle of weights may call, and their results.

#include <string_view>

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// The value of a global name. Throws FILE_UNSUPPORTED, with the name, unless it is on the list.
Value resolve(const Input& input, std::string_view module, std::string_view name);

/// Calls `callable` with the items of the tuple `arguments`. Throws FILE_UNSUPPORTED or FILE_CORRUPT.
Value call(const Input& input, Heap& heap, const Value& callable, const Value& arguments);

/// The value of a persistent id: ("storage", type, key, location, elements), plus a view of it in the legacy layout.
Value persistent(const Input& input, Heap& heap, const Value& id);

/// Throws FILE_UNSUPPORTED if a pickle exceeds what weights ever need.
void check_bound(const Input& input, size_t count, size_t most);

[[noreturn]] void fail_corrupt(const Input& input, std::string_view expected);

}  // namespace reviewkd::pickle
