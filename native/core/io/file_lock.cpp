#include "core/io/file_lock.h"

#include <string_view>

#include "core/base/error.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

[[noreturn]] void fail_locking(const std::string& path, const std::error_code& error) {
  fail(ErrorCode::kFileAccess, "cannot write the lock ", path, ": ", platform::reason_of(error), ".");
}

}  // namespace

std::shared_ptr<FileLock> FileLock::try_lock(const std::string& path) {
  for (;;) {
    platform::File file;
    if (const auto error = file.open(path, platform::Access::kShare)) fail_locking(path, error);
    const platform::LockResult result = file.try_lock();
    if (result == platform::LockResult::kHeldElsewhere) return nullptr;
    std::shared_ptr<FileLock> lock(new FileLock(path, std::move(file), result == platform::LockResult::kTaken));
    // The previous holder may have removed the file between the two calls; no other process would then find this
    // lock.
    if (lock->intact()) return lock;
  }
}

FileLock::~FileLock() {
  // Removed while the lock is held, so that only the holder's own file can be removed.
  if (written_ && intact()) platform::remove(path_);
}

void FileLock::write(const std::string& text) {
  written_ = true;
  text_.clear();
  if (const auto error = file_.clear()) fail_locking(path_, error);
  if (const auto error = file_.write(0, text.data(), text.size())) fail_locking(path_, error);
  text_ = text;
}

bool FileLock::intact() const {
  if (!file_.is_named(path_)) return false;
  if (text_.empty()) return true;
  // One byte more, to see that there is none.
  std::string found(text_.size() + 1, '\0');
  uint64_t count = 0;
  if (file_.read(0, found.data(), found.size(), count)) return true;  // such as a file system that is away for a moment
  return std::string_view(found.data(), count) == text_;
}

}  // namespace reviewkd
