#pragma once
// What every part of this layer speaks of. The layer is all that differs between systems: each header has one .cpp for POSIX and one for
// Windows (the processor's, one for both), and the rest of the code names no system. Paths and messages are UTF-8 everywhere.

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

namespace reviewkd::platform {

/// The system's own words for an error that it gave.
std::string reason_of(const std::error_code& error);

int64_t process_id();

/// Windows takes the bytes of a std::string for its code page, so paths change their type here and nowhere else.
inline std::filesystem::path path_of(const std::string& utf8) { return std::filesystem::path(std::u8string(utf8.begin(), utf8.end())); }
inline std::string utf8_of(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

}  // namespace reviewkd::platform
