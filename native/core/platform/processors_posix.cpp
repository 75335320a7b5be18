#include "core/platform/processors.h"

#include <unistd.h>

namespace reviewkd::platform {

int machine_processors() { return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)); }

}  // namespace reviewkd::platform

#ifdef __linux__

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace reviewkd::platform {
namespace {

namespace fs = std::filesystem;

/// The two interfaces of control groups; a system can have both.
enum class Version { kV1, kV2 };

/// A mounted hierarchy, or a part of one: the group `group` is the directory `directory`.
struct Hierarchy {
  Version version;
  std::string group;
  std::string directory;
};

/// The kernel writes spaces and backslashes of paths as \040 and so on.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    const bool is_escape =
        text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4;
    plain += is_escape ? static_cast<char>(code) : text[i];
    if (is_escape) i += 3;
  }
  return plain;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

/// Whether a list with commas contains a word.
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

/// The hierarchies that can limit processor time. See proc_pid_mountinfo(5).
std::vector<Hierarchy> mounted_hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::vector<std::string> words = words_of(line);
    const auto separator = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - separator < 4) continue;
    const std::string& type = separator[1];
    if (type == "cgroup2") {
      found.push_back({Version::kV2, unescaped(words[3]), unescaped(words[4])});
    } else if (type == "cgroup" && lists(separator[3], "cpu")) {
      found.push_back({Version::kV1, unescaped(words[3]), unescaped(words[4])});
    }
  }
  return found;
}

/// This process's group in the hierarchy. See cgroups(7).
std::string own_group(const std::string& root, Version version) {
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // number:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (version == Version::kV2 ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return "/";
}

std::string first_word(const fs::path& path, size_t position = 0) {
  std::ifstream file(path);
  std::string word;
  for (size_t i = 0; i <= position; ++i) word.clear(), file >> word;
  return word;
}

/// A number of microseconds; none for "max", -1 and files that are not there.
std::optional<double> microseconds(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

std::optional<double> quota_of(const fs::path& directory, Version version) {
  const bool is_v1 = version == Version::kV1;
  const auto quota =
      microseconds(is_v1 ? first_word(directory / "cpu.cfs_quota_us") : first_word(directory / "cpu.max"));
  const auto period =
      microseconds(is_v1 ? first_word(directory / "cpu.cfs_period_us") : first_word(directory / "cpu.max", 1));
  if (!quota || !period) return std::nullopt;
  return *quota / *period;
}

}  // namespace

int scheduled_processors() {
  constexpr size_t kMost = size_t{1} << 20;
  // The call refuses sets that are smaller than the kernel's own.
  for (size_t most = 1024; most <= kMost; most *= 2) {
    std::vector<cpu_set_t> set(most / (8 * sizeof(cpu_set_t)) + 1);
    const size_t bytes = set.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, set.data()) == 0) return CPU_COUNT_S(bytes, set.data());
    if (errno != EINVAL) return 0;
  }
  return 0;
}

std::optional<double> processor_quota(const std::string& root) {
  std::optional<double> least;
  for (const auto& [version, group, directory] : mounted_hierarchies(root)) {
    const fs::path mounted = fs::path(root) / fs::path(directory).relative_path();
    // Without a namespace of its own, a container sees its group by the path that the host has.
    const fs::path own = own_group(root, version);
    const fs::path within = own.lexically_relative(group);
    const bool is_visible = !within.empty() && *within.begin() != "..";
    // A group's quota holds for all groups in it.
    for (fs::path path = is_visible ? (mounted / within).lexically_normal() : mounted;; path = path.parent_path()) {
      if (const auto quota = quota_of(path, version)) least = std::min(*quota, least.value_or(*quota));
      if (path.native().size() <= mounted.native().size()) break;
    }
  }
  return least;
}

}  // namespace reviewkd::platform

#else

namespace reviewkd::platform {

int scheduled_processors() { return machine_processors(); }

std::optional<double> processor_quota(const std::string&) { return std::nullopt; }

}  // namespace reviewkd::platform

#endif
