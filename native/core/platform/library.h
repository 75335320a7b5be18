#pragma once
// Dynamic libraries that are loaded at run time, and stay for the life of the process.

#include <string>

namespace reviewkd::platform {

enum class Symbols {
  kOwn,         // its own affair
  kEverybodys,  // what is loaded later finds them; on Windows everybody names the library whose symbol is meant, and there is no difference
};

/// The library at `path`, with what it asks for looked for beside it on Windows, where it names no places of its own; none with the `reason`
/// where the system refuses.
void* load_library(const std::string& path, Symbols symbols, std::string& reason);

/// The address of what the library exports under this name, or none.
void* symbol_of(void* library, const char* name);

/// The address of what a library that this code was loaded with, or the program itself, exports under this name; none where no such library is
/// loaded, and on Windows, where a name belongs to its library.
void* symbol_in_scope(const char* name);

/// The file of the loaded library that this code belongs to; empty where the system does not tell.
std::string library_of(const void* code);

/// Keeps that library loaded when everybody who loaded it has given it back.
void keep_loaded(const void* code);

/// What the system calls the file of a library, of "torch_cpu" say.
std::string library_file(const std::string& name);

/// The library through which NVIDIA's driver is reached.
const char* cuda_driver_library();

}  // namespace reviewkd::platform
