#pragma once

#include <string_view>

namespace reviewkd {

/// Whether `bytes` are well-formed UTF-8, which is required of names and texts passed on to callers.
bool is_utf8(std::string_view bytes);

}  // namespace reviewkd
