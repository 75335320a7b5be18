#pragma once
// A file that appears whole or not at all.

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

#include "core/platform/file.h"

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

  /// Replaces bytes that were written.
  void overwrite(size_t offset, const void* data, size_t bytes);

  /// What was written so far can be read here.
  const platform::File& file() const { return file_; }

  /// `keep_as`: the name under which the file stays that `path` held, unless it is empty. At each moment one of the two names
  /// has a whole file.
  void commit(const std::string& keep_as = "");

 private:
  void keep_former(const std::string& name) const;
  /// Throws where there is an error.
  void check(const std::error_code& error, const char* what) const;

  std::string path_;
  std::string temporary_;
  platform::File file_;
  uint64_t written_ = 0;
  uint64_t flushed_ = 0;  // of these, what was handed to the disk
};

}  // namespace reviewkd
