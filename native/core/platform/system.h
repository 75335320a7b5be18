#pragma once
// Definitions shared by this layer, which contains everything that differs between systems: each header has one .cpp
// for POSIX and one for Windows (processor.h has one for both), and no other code names a system. Paths and messages
// are UTF-8 everywhere.

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

namespace reviewkd::platform {

/// The system's own message for an error.
std::string reason_of(const std::error_code& error);

int64_t process_id();

/// Windows interprets the bytes of a std::string in its code page, so paths are converted only here.
inline std::filesystem::path path_of(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}
inline std::string utf8_of(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

}  // namespace reviewkd::platform
