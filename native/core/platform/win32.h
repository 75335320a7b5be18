#pragma once
// The Windows header and helpers for its calls; only for files of this layer, since it defines macros with common
// names.

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

/// The last error of the calling thread. Read it before making any other call.
inline std::error_code last_error() { return error_of(::GetLastError()); }

std::wstring to_utf16(std::string_view utf8);
std::string to_utf8(std::wstring_view utf16);

/// Converts a path for the system's calls; also supports more than their 260 characters.
std::wstring wide_path(const std::string& utf8);

}  // namespace reviewkd::platform
