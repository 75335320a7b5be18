#pragma once
// A file that appears either whole or not at all.

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

#include "core/platform/file.h"

namespace reviewkd {

/// Writes next to `path`; `commit` flushes to disk and renames. Without `commit` nothing is left behind and the path
/// keeps its contents. Throws FILE_ACCESS, naming path and reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);

  /// Replaces bytes that were already written.
  void overwrite(size_t offset, const void* data, size_t bytes);

  /// The file, from which everything written so far can be read.
  const platform::File& file() const { return file_; }

  /// `keep_as`: if not empty, the name under which the previous file is kept. At each moment one of the two names has
  /// a whole file.
  void commit(const std::string& keep_as = "");

 private:
  void keep_former(const std::string& name) const;
  /// Throws if `error` is set.
  void check(const std::error_code& error, const char* what) const;

  std::string path_;
  std::string temporary_;
  platform::File file_;
  uint64_t written_ = 0;
  uint64_t flushed_ = 0;  // of these, the bytes already handed to the disk
};

}  // namespace reviewkd
