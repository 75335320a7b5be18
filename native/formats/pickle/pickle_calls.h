#pragma once
// The names that a pickle of weights may call, and what each of them makes of its arguments.

#include <string_view>

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// What a global name stands for. Throws FILE_UNSUPPORTED, with the name, for all that are not on the list.
Value resolve(const Input& input, std::string_view module, std::string_view name);

/// Calls `callable` with the items of the tuple `arguments`. Throws FILE_UNSUPPORTED or FILE_CORRUPT.
Value call(const Input& input, Heap& heap, const Value& callable, const Value& arguments);

/// What a persistent id stands for: ("storage", type, key, location, elements), and in the legacy layout a view of it.
Value persistent(const Input& input, Heap& heap, const Value& id);

/// Throws FILE_UNSUPPORTED where a pickle goes beyond what weights ever need.
void check_bound(const Input& input, size_t count, size_t most);

[[noreturn]] void fail_corrupt(const Input& input, std::string_view expected);

}  // namespace reviewkd::pickle
