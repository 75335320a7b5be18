#include "core/io/atomic_file.h"

#include <utility>

#include "core/base/error.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

// Unique per process; two writers of one path in one process are the caller's responsibility. Resuming a run
// recognises leftover files by this name pattern (lib/runs/directory-files.ts).
std::string temporary_name(const std::string& path) { return path + ".tmp-" + std::to_string(platform::process_id()); }

bool is_missing(const std::error_code& error) { return error == std::errc::no_such_file_or_directory; }

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  check(file_.open(temporary_, platform::Access::kReplace), "create a file for");
}

AtomicFile::~AtomicFile() {
  if (!file_.is_open()) return;
  static_cast<void>(file_.close());
  platform::remove(temporary_);
}

void AtomicFile::write(const void* data, size_t bytes) {
  check(file_.write(written_, data, bytes), "write");
  written_ += bytes;
  // The disk starts writing while the rest is prepared, so `commit` waits less.
  constexpr uint64_t kFlushStep = uint64_t{8} << 20;
  if (written_ - flushed_ < kFlushStep) return;
  file_.begin_flush(flushed_, written_ - flushed_);
  flushed_ = written_;
}

void AtomicFile::overwrite(size_t offset, const void* data, size_t bytes) {
  check(file_.write(offset, data, bytes), "write");
}

void AtomicFile::commit(const std::string& keep_as) {
  check(file_.flush(), "flush");
  const std::error_code closed = file_.close();
  try {
    check(closed, "close");
    if (!keep_as.empty()) keep_former(keep_as);
    check(platform::replace(temporary_, path_), "rename a file to");
  } catch (...) {
    platform::remove(temporary_);
    throw;
  }
  // The renames are durable only once the directory is flushed.
  check(platform::flush_directory_of(path_), "flush the directory of");
}

void AtomicFile::keep_former(const std::string& name) const {
  const std::string linked = temporary_name(name);
  platform::remove(linked);
  std::error_code error = platform::link(path_, linked);
  if (!error) {
    error = platform::replace(linked, name);
    platform::remove(
        linked);  // rename(2) leaves it when both names refer to one file already: after an earlier attempt that failed midway
  } else if (!is_missing(error)) {
    // Not every file system supports links. For a moment the previous file then exists only under the other name.
    error = platform::replace(path_, name);
  }
  if (!is_missing(error)) check(error, "keep the previous file of");  // missing: there was no previous file
}

void AtomicFile::check(const std::error_code& error, const char* what) const {
  if (error) fail(ErrorCode::kFileAccess, "cannot ", what, " ", path_, ": ", platform::reason_of(error), ".");
}

}  // namespace reviewkd
