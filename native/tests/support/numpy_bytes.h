#pragma once
// NumPy's arrays in pickles put together by hand, apart from the code that reads them.

#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests {

/// BINBYTES.
inline Bytes bytes(const Bytes& value) { return "B" + little(value.size(), 4) + value; }

/// A type and its state.
inline Bytes dtype(const Bytes& code, const Bytes& order = "<") {
  return global("numpy", "dtype") + tuple(text(code) + "\x89\x88") + "R" +
         tuple("K\x03" + text(order) + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + raw("K\x00")) + "b";
}

/// Three float32 by default.
struct ArrayParts {
  Bytes module = "numpy.core.multiarray";
  Bytes type = dtype("f4");
  std::vector<int64_t> shape = {3};
  bool is_fortran = false;
  Bytes elements = bytes("aaaabbbbcccc");
  bool has_version = true;
};

inline Bytes lengths(const std::vector<int64_t>& shape) {
  Bytes items;
  for (const int64_t length : shape) items += integer(length);
  return tuple(items);
}

inline Bytes array(const ArrayParts& parts = {}) {
  return global(parts.module, "_reconstruct") +
         tuple(global("numpy", "ndarray") + raw("K\x00\x85") + raw("C\x01") + "b") + "R" +
         tuple((parts.has_version ? "K\x01" : "") + lengths(parts.shape) + parts.type +
               (parts.is_fortran ? "\x88" : "\x89") + parts.elements) +
         "b";
}

/// As protocol 5 has it; `order`: "C", "F", or "K" with the axes behind it.
inline Bytes buffer_array(const Bytes& elements, const std::vector<int64_t>& shape, const Bytes& order) {
  return global("numpy._core.numeric", "_frombuffer") +
         tuple("\x96" + little(elements.size(), 8) + elements + dtype("f4") + lengths(shape) + order) + "R";
}

/// The bytes of a text, as protocols 0 to 2 of Python 3 have them.
inline Bytes encoded(const Bytes& text_bytes, const Bytes& encoding = "latin1") {
  return global("_codecs", "encode") + tuple(text_bytes + text(encoding)) + "R";
}

}  // namespace reviewkd::tests
