#pragma once
// Dynamic libraries loaded at run time, for the life of the process.

#include <string>

namespace reviewkd::platform {

enum class Symbols {
  kLocal,   // visible only through the library's handle
  kGlobal,  // visible to libraries loaded later; no difference on Windows, where each import names its library
};

/// Loads the library at `path`; on Windows, which has no run paths, its dependencies are searched next to it. Returns
/// null and sets `reason` on failure.
void* load_library(const std::string& path, Symbols symbols, std::string& reason);

/// The address of the symbol that the library exports under this name, or null.
void* symbol_of(void* library, const char* name);

/// The address of the symbol that the program or a library loaded with this code exports under this name; null if
/// there is none, and always on Windows, where a name belongs to its library.
void* symbol_in_scope(const char* name);

/// The file of the loaded library that contains this code; empty if the system does not report it.
std::string library_of(const void* code);

/// Keeps that library loaded after all its users have released it.
void keep_loaded(const void* code);

/// The system's file name for a library, for example of "torch_cpu".
std::string library_file(const std::string& name);

/// The library of NVIDIA's driver API.
const char* cuda_driver_library();

}  // namespace reviewkd::platform
