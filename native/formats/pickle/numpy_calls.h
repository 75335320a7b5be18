#pragma once
// NumPy's arrays and types in pickles: their elements are bytes of the pickle, which stay in the file.
// numpy/_core/src/multiarray/methods.c (array_reduce_ex, array_setstate) and descriptor.c (arraydescr_reduce).

#include "formats/pickle/pickle_input.h"
#include "formats/pickle/pickle_value.h"

namespace reviewkd::pickle {

/// numpy._core.multiarray._reconstruct(class, shape, type): an array whose state follows.
Value reconstruct_array();

/// numpy._core.numeric._frombuffer(bytes, dtype, shape, order, axes), as protocol 5 has arrays.
Value array_from_buffer(const Input& input, Heap& heap, const Value& arguments);

/// numpy.dtype(code, align, copy), whose state follows; opaque if it is no plain code.
Value dtype_of_code(Heap& heap, const Value& arguments);

/// numpy._core.multiarray.scalar(dtype, bytes): a number or boolean; opaque if it is neither.
Value scalar_of(Heap& heap, const Value& arguments);

/// _codecs.encode(text, "latin1"): the bytes of a text, as protocols 0 to 2 have them; opaque for another encoding.
Value encoded_bytes(Heap& heap, const Value& arguments);

/// Applies (version, shape, dtype, is_fortran, bytes), or the same without version, to an array. One with elements that
/// no weight file holds becomes unreadable.
void set_array_state(const Input& input, Heap& heap, Value& array, const Value& state);

/// Applies (version, byte order, …) to a type.
void set_dtype_state(const Input& input, const Heap& heap, Value& dtype, const Value& state);

}  // namespace reviewkd::pickle
