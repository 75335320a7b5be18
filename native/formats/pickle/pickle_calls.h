#pragma once
// The names in pickles that have a meaning here, and what comes of calling them. No other name is ever looked up or
// called: it becomes an opaque value.

#include <string_view>

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// The value of a global name: opaque if it is unknown.
Value resolve(Heap& heap, Global global);

/// The result of calling the known name `callable` with the items of the tuple `arguments`. Throws FILE_UNSUPPORTED or
/// FILE_CORRUPT.
Value call(const Input& input, Heap& heap, const Value& callable, const Value& arguments);

/// The value of a persistent id: ("storage", type, key, location, elements), plus a view of it in the legacy layout.
/// Any other, as the classes of a whole module are saved with their source, is opaque; a storage of unknown elements is
/// unreadable.
Value persistent(const Input& input, Heap& heap, const Value& id);

}  // namespace reviewkd::pickle
