#pragma once
// Reads pickles without executing anything: opcodes build values, and what a pickle asks to be called is looked up in a
// short list (pickle_calls.h). Everything else is refused by its name.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py describes every opcode.

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// Reads one pickle up to its end and returns what it holds, without cycles and no deeper than a limit. Values go to `heap`,
/// whose size is bounded. Throws FILE_CORRUPT or FILE_UNSUPPORTED.
Id read(Input& input, Heap& heap);

}  // namespace reviewkd::pickle
