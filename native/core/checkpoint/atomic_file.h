#pragma once
// A file that appears whole or not at all.

#include <cstddef>
#include <string>

namespace reviewkd {

/// Writes beside `path`; `commit` flushes to the disk and renames. Without `commit` nothing is left behind and the path
/// keeps what it held. Throws FILE_ACCESS, naming path and reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail_writing(const char* what) const;

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

}  // namespace reviewkd
