#pragma once

#include <string_view>

namespace reviewkd {

/// Whether `bytes` are well-formed UTF-8, as names and texts must be that are handed on.
bool is_utf8(std::string_view bytes);

}  // namespace reviewkd
