#pragma once
// Numbers, texts and bytes in pickles of every protocol.

#include <optional>

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_opcodes.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// The value that follows an opcode; nullopt for an opcode of another kind. Long texts stay in the file. Throws
/// FILE_CORRUPT.
std::optional<Value> read_scalar(Input& input, Opcode opcode);

/// The key of a memo in protocol 0: a line with a decimal number.
uint64_t read_memo_key(Input& input);

}  // namespace reviewkd::pickle
