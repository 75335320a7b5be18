#include "core/io/checksum.h"

// libtorch ships Stephan Brumme's implementation, which processes eight or more bytes at a time. Its functions are
// not inline, so only this file may include it.
#include <caffe2/serialize/crc_alt.h>

namespace reviewkd {

uint32_t crc32(const void* data, size_t bytes, uint32_t previous) { return crc32_fast(data, bytes, previous); }

}  // namespace reviewkd
