#include <dlfcn.h>

#include "core/platform/library.h"

namespace reviewkd::platform {

void* load_library(const std::string& path, Symbols symbols, std::string& reason) {
  const int scope = symbols == Symbols::kGlobal ? RTLD_GLOBAL : RTLD_LOCAL;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | scope | RTLD_NODELETE);
  if (library != nullptr) return library;
  const char* message = ::dlerror();
  reason = message != nullptr ? message : path + ": cannot be loaded";
  return nullptr;
}

void* symbol_of(void* library, const char* name) { return ::dlsym(library, name); }

void* symbol_in_scope(const char* name) { return ::dlsym(RTLD_DEFAULT, name); }

std::string library_of(const void* code) {
  Dl_info info{};
  return ::dladdr(code, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

void keep_loaded(const void* code) { ::dlopen(library_of(code).c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE); }

std::string library_file(const std::string& name) {
#ifdef __APPLE__
  return "lib" + name + ".dylib";
#else
  return "lib" + name + ".so";
#endif
}

const char* cuda_driver_library() { return "libcuda.so.1"; }

}  // namespace reviewkd::platform
