#pragma once

#include <string>
#include <string_view>

namespace reviewkd {

/// Whether `bytes` are well-formed UTF-8, which is required of names and texts passed on to callers.
bool is_utf8(std::string_view bytes);

/// The text whose characters are these bytes.
std::string utf8_of_latin1(std::string_view bytes);

}  // namespace reviewkd
