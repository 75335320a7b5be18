#pragma once
// A lock that the kernel holds for this process and releases when the process ends for any reason.

#include <memory>
#include <string>
#include <utility>

#include "core/platform/file.h"

namespace reviewkd {

/// An open, locked file. Its contents identify the holder; the lock itself is the kernel's, so a killed process
/// leaves no stale lock, and two holders in one process are distinguished, too.
class FileLock {
 public:
  /// Returns null if the lock is held elsewhere. Throws FILE_ACCESS if the file cannot be created.
  static std::shared_ptr<FileLock> try_lock(const std::string& path);

  /// Releases the lock; removes the file if this holder has written to it.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// False if the file system has no locks; the holder must then be judged by the file's contents.
  bool supported() const { return supported_; }

  /// Replaces the file's contents. Throws FILE_ACCESS.
  void write(const std::string& text);

  /// Whether the path still names the locked file, with the contents that this holder has written: it may have been
  /// removed and re-created by another process, or, where locks do not reach other machines, taken over by one of these.
  bool intact() const;

 private:
  FileLock(std::string path, platform::File file, bool supported)
      : path_(std::move(path)), file_(std::move(file)), supported_(supported) {}

  std::string path_;
  platform::File file_;
  bool supported_;
  bool written_ = false;
  /// The contents that this holder has written as a whole.
  std::string text_;
};

}  // namespace reviewkd
