#pragma once
// Windows' own header and what its calls need; for the files of this layer alone, since it defines macros with everyday names.

#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#include <string>
#include <string_view>
#include <system_error>

namespace reviewkd::platform {

inline std::error_code error_of(DWORD code) { return {static_cast<int>(code), std::system_category()}; }

/// To be asked before anything else is called.
inline std::error_code last_error() { return error_of(::GetLastError()); }

std::wstring to_utf16(std::string_view utf8);
std::string to_utf8(std::wstring_view utf16);

/// A path as the system's calls take it, longer than their 260 characters, too.
std::wstring wide_path(const std::string& utf8);

}  // namespace reviewkd::platform
