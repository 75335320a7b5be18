#pragma once
// A lock that the kernel holds for this process and gives up with it, however it ends.

#include <memory>
#include <string>
#include <utility>

#include "core/platform/file.h"

namespace reviewkd {

/// An open, locked file. What is written into it says who holds it; the lock itself is the kernel's, so that nothing is left
/// to judge after a kill, and two holders in one process are told apart, too.
class FileLock {
 public:
  /// Nothing where somebody else holds the lock. Throws FILE_ACCESS where the file cannot be made.
  static std::shared_ptr<FileLock> try_lock(const std::string& path);

  /// Gives the lock up; removes the file once this holder has written into it.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// False: the file system has no locks, and who holds the file has to be judged by what stands in it.
  bool supported() const { return supported_; }

  /// Replaces what stands in the file. Throws FILE_ACCESS.
  void write(const std::string& text);

  /// Whether the path still names the locked file: it may have been removed, and made anew by somebody else.
  bool intact() const;

 private:
  FileLock(std::string path, platform::File file, bool supported) : path_(std::move(path)), file_(std::move(file)), supported_(supported) {}

  std::string path_;
  platform::File file_;
  bool supported_;
  bool written_ = false;
};

}  // namespace reviewkd
