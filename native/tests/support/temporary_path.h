#pragma once

#include <filesystem>
#include <random>
#include <string>

namespace reviewkd::tests {

/// A path in the directory for temporary files that no other test uses: CTest runs several processes at a time.
inline std::string temporary_path(const std::string& name) {
  return (std::filesystem::temp_directory_path() / (name + "-" + std::to_string(std::random_device()()))).string();
}

}  // namespace reviewkd::tests
