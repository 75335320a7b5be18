#pragma once
// Reads pickles without executing anything: opcodes build values, and calls are looked up in a short list
// (pickle_calls.h). Everything else is rejected by name or becomes an opaque value.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py describes every opcode.

#include "formats/pickle/pickle_calls.h"
#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// Reads one pickle to its end and returns its root value, without cycles and with bounded nesting. Values go to
/// `heap`, whose size is bounded. Throws FILE_CORRUPT or FILE_UNSUPPORTED.
Id read(Input& input, Heap& heap, UnknownNames unknown = UnknownNames::kRefused);

}  // namespace reviewkd::pickle
