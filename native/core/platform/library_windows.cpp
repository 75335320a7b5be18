#include "core/platform/library.h"

#include "core/platform/system.h"
#include "core/platform/win32.h"

namespace reviewkd::platform {
namespace {

HMODULE module_of(const void* code, DWORD more_flags) {
  HMODULE module = nullptr;
  ::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | more_flags, static_cast<const wchar_t*>(code), &module);
  return module;
}

}  // namespace

void* load_library(const std::string& path, Symbols, std::string& reason) {
  // The flag that searches dependencies next to the library requires an absolute path with backslashes.
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::absolute(path_of(path), ignored).make_preferred();
  HMODULE library = ::LoadLibraryExW((ignored ? path_of(path) : whole).c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (library == nullptr) reason = path + ": " + reason_of(last_error());
  return library;
}

void* symbol_of(void* library, const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(static_cast<HMODULE>(library), name));
}

void* symbol_in_scope(const char*) { return nullptr; }

std::string library_of(const void* code) {
  const HMODULE module = module_of(code, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT);
  if (module == nullptr) return "";
  // A path that does not fit is truncated and fills the whole buffer.
  for (std::wstring path(MAX_PATH, L'\0');; path.resize(2 * path.size())) {
    const DWORD length = ::GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size()));
    if (length < path.size()) return to_utf8(path.substr(0, length));
  }
}

void keep_loaded(const void* code) { module_of(code, GET_MODULE_HANDLE_EX_FLAG_PIN); }

std::string library_file(const std::string& name) { return name + ".dll"; }

const char* cuda_driver_library() { return "nvcuda.dll"; }

}  // namespace reviewkd::platform
