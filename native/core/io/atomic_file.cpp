#include "core/io/atomic_file.h"

#include <utility>

#include "core/base/error.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

// A name of its own for each process; two writers of one path in one process are the caller's to keep apart. Whoever resumes a run
// knows leftovers by this form (lib/directory-files.ts).
std::string temporary_name(const std::string& path) { return path + ".tmp-" + std::to_string(platform::process_id()); }

bool is_missing(const std::error_code& error) { return error == std::errc::no_such_file_or_directory; }

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  check(file_.open(temporary_, platform::Access::kReplace), "to create a file");
}

AtomicFile::~AtomicFile() {
  if (!file_.is_open()) return;
  static_cast<void>(file_.close());
  platform::remove(temporary_);
}

void AtomicFile::write(const void* data, size_t bytes) {
  check(file_.write(written_, data, bytes), "to write");
  written_ += bytes;
  // The disk begins while the rest is prepared, and `commit` waits less.
  constexpr uint64_t kFlushStep = uint64_t{8} << 20;
  if (written_ - flushed_ < kFlushStep) return;
  file_.begin_flush(flushed_, written_ - flushed_);
  flushed_ = written_;
}

void AtomicFile::overwrite(size_t offset, const void* data, size_t bytes) { check(file_.write(offset, data, bytes), "to write"); }

void AtomicFile::commit(const std::string& keep_as) {
  check(file_.flush(), "to flush to the disk");
  const std::error_code closed = file_.close();
  try {
    check(closed, "to close a file");
    if (!keep_as.empty()) keep_former(keep_as);
    check(platform::replace(temporary_, path_), "to rename a file into place");
  } catch (...) {
    platform::remove(temporary_);
    throw;
  }
  // The renames themselves last only once the directory is on the disk.
  check(platform::flush_directory_of(path_), "to flush the directory");
}

void AtomicFile::keep_former(const std::string& name) const {
  const std::string linked = temporary_name(name);
  platform::remove(linked);
  std::error_code error = platform::link(path_, linked);
  if (!error) {
    error = platform::replace(linked, name);
    platform::remove(linked);  // rename(2) leaves it where both names are of one file already: after an attempt that failed later on
  } else if (!is_missing(error)) {
    // Not every file system has links. For a moment the former file is then to be found under the other name alone.
    error = platform::replace(path_, name);
  }
  if (!is_missing(error)) check(error, "to keep the former file");  // or there is none
}

void AtomicFile::check(const std::error_code& error, const char* what) const {
  if (error) fail(ErrorCode::kFileAccess, "expected ", what, " at ", path_, ", got: ", platform::reason_of(error));
}

}  // namespace reviewkd
