#pragma once
// Reads pickles without executing anything: opcodes build values, and calls are looked up in a short list
// (pickle_calls.h). Everything else becomes an opaque value.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py describes every opcode.

#include "formats/pickle/pickle_calls.h"
#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// Reads one pickle to its end and returns its root value. Values may contain themselves, as Python's can. They go to
/// `heap`, whose size is bounded. Throws FILE_CORRUPT or FILE_UNSUPPORTED.
Id read(Input& input, Heap& heap);

}  // namespace reviewkd::pickle
