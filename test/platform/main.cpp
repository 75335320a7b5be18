// platform DIRECTORY                  runs all cases with files in DIRECTORY, which must exist; exits with the number
// of
//                                     failed cases
// platform lock DIRECTORY CASE NAME   0: this process got the lock, 3: another one holds it, 4: locks are not supported
// platform die DIRECTORY CASE NAME    takes the lock and exits without releasing it

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>

#include "check.h"
#include "core/platform/file.h"
#include "core/platform/system.h"
#ifdef _WIN32
#include "core/platform/win32.h"
#endif

namespace fs = std::filesystem;
namespace platform = reviewkd::platform;

namespace {

std::string program, directory, current = "0";

int try_lock(const std::string& path) {
  platform::File file;
  if (file.open(path, platform::Access::kShare)) return 5;
  switch (file.try_lock()) {
    case platform::LockResult::kTaken: return 0;
    case platform::LockResult::kHeldElsewhere: return 3;
    case platform::LockResult::kUnsupported: return 4;
  }
  return 5;
}

void die(const std::string& path) {
  platform::File file;
  if (file.open(path, platform::Access::kShare) || file.try_lock() != platform::LockResult::kTaken) std::_Exit(5);
  std::_Exit(7);
}

int run_all() {
  int failed = 0, undecided = 0;
  for (const auto& [name, run] : cases()) {
    // A loaded library cannot be removed on Windows.
    current = std::to_string(std::stoi(current) + 1);
    fs::create_directories(platform::path_of(scratch()));
    std::string complaint;
    try {
      run();
    } catch (const Undecided& wine) {
      ++undecided;
      std::cout << "?    " << name << "\n       " << wine.reason << std::endl;
      continue;
    } catch (const std::exception& error) {
      complaint = error.what();
    }
    failed += complaint.empty() ? 0 : 1;
    std::cout << (complaint.empty() ? "ok   " : "FAIL ") << name << (complaint.empty() ? "" : "\n       ") << complaint
              << std::endl;
  }
  std::cout << cases().size() << " cases, " << failed << " failed, " << undecided
            << " that only Windows itself can decide" << std::endl;
  return failed;
}

}  // namespace

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

bool under_wine() {
#ifdef _WIN32
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != nullptr;
#else
  return false;
#endif
}

std::string scratch() { return directory + "/plátno-模型-🙂-" + current; }
std::string at(const std::string& name) { return scratch() + "/" + name; }

int other_process(const std::string& what, const std::string& path) {
  // On Windows, names beyond ASCII do not survive a byte command line: the child process builds the same one itself.
  const std::string name = path.substr(scratch().size() + 1);
  std::string command = "\"" + program + "\" " + what + " \"" + directory + "\" " + current + " " + name;
#ifdef _WIN32
  // The shell strips the first and the last quote.
  command = "\"" + command + "\"";
#endif
  const int status = std::system(command.c_str());
#ifdef _WIN32
  return status;
#else
  return status >> 8 & 0xff;
#endif
}

void write_text(const std::string& path, const std::string& text) {
  platform::File file;
  CHECK(!file.open(path, platform::Access::kReplace));
  CHECK(!file.write(0, text.data(), text.size()));
}

std::string text_of(const std::string& path) {
  platform::File file;
  uint64_t bytes = 0, count = 0;
  CHECK(!file.open(path, platform::Access::kRead));
  CHECK(!file.size(bytes));
  std::string text(bytes, '\0');
  CHECK(!file.read(0, text.data(), bytes, count));
  CHECK(count == bytes);
  return text;
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(platform::path_of(path)))
    names.push_back(platform::utf8_of(entry.path().filename()));
  std::sort(names.begin(), names.end());
  return names;
}

int main(int count, char** words) {
  program = words[0];
  const std::string what = count > 1 ? words[1] : "";
  if (count == 2) {
    directory = what;
    return run_all();
  }
  if (count != 5) {
    std::cerr << "invalid arguments: expected DIRECTORY, received " << count - 1 << " words.\n";
    return 2;
  }
  directory = words[2];
  current = words[3];
  if (what == "lock") return try_lock(at(words[4]));
  if (what == "die") die(at(words[4]));
  return 2;
}
