#include "core/platform/file.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/platform/system.h"
#include "core/platform/win32.h"

namespace reviewkd::platform {
namespace {

constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
/// The largest size that one call accepts.
constexpr uint64_t kLargestPiece = uint64_t{1} << 30;
/// Locks are mandatory for readers on Windows, so the locked byte is beyond any file contents.
constexpr uint64_t kLockedByte = uint64_t{1} << 62;

HANDLE handle_of(intptr_t handle) { return reinterpret_cast<HANDLE>(handle); }

std::error_code answer(BOOL succeeded) { return succeeded ? std::error_code() : last_error(); }

OVERLAPPED place(uint64_t offset) {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(offset);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return at;
}

bool is(const std::error_code& error, DWORD code) { return error == error_of(code); }

/// Scanners and indexers open files exclusively for some milliseconds, and a removed file keeps its name until the
/// last of them closes it. Calls refused for such a reason are retried for up to a quarter of a second.
template <typename Call>
std::error_code patiently(const Call& call) {
  std::error_code error = call();
  for (DWORD wait_ms = 1; wait_ms <= 128 && (is(error, ERROR_ACCESS_DENIED) || is(error, ERROR_SHARING_VIOLATION));
       wait_ms *= 2) {
    ::Sleep(wait_ms);
    error = call();
  }
  return error;
}

std::error_code open_handle(const std::wstring& path, DWORD access, DWORD disposition, DWORD flags, intptr_t& handle) {
  handle =
      reinterpret_cast<intptr_t>(::CreateFileW(path.c_str(), access, kShared, nullptr, disposition, flags, nullptr));
  return answer(handle != -1);
}

std::error_code open_to_read(const std::wstring& path, intptr_t& handle) {
  const std::error_code error = open_handle(path, GENERIC_READ, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, handle);
  if (!error && ::GetFileType(handle_of(handle)) == FILE_TYPE_DISK) return {};
  if (!error) {
    ::CloseHandle(handle_of(std::exchange(handle, -1)));
    return std::make_error_code(std::errc::invalid_argument);
  }
  const DWORD attributes = ::GetFileAttributesW(path.c_str());
  const bool directory = attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  return directory ? std::make_error_code(std::errc::is_a_directory) : error;
}

/// Renames as POSIX does, even over a file that is open for reading. Not every file system supports this.
std::error_code replace_open(const std::wstring& from, const std::wstring& to) {
  intptr_t handle = -1;
  constexpr DWORD kFlags = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_WRITE_THROUGH;
  if (const auto error = open_handle(from, DELETE | SYNCHRONIZE, OPEN_EXISTING, kFlags, handle)) return error;
  const size_t name_bytes = to.size() * sizeof(wchar_t);
  std::vector<char> room(sizeof(FILE_RENAME_INFO) + name_bytes);
  auto* info = reinterpret_cast<FILE_RENAME_INFO*>(room.data());
  info->Flags = FILE_RENAME_FLAG_REPLACE_IF_EXISTS | FILE_RENAME_FLAG_POSIX_SEMANTICS;
  info->FileNameLength = static_cast<DWORD>(name_bytes);
  std::memcpy(info->FileName, to.data(), name_bytes);
  const std::error_code error =
      answer(::SetFileInformationByHandle(handle_of(handle), FileRenameInfoEx, info, static_cast<DWORD>(room.size())));
  ::CloseHandle(handle_of(handle));
  return error;
}

bool identify(HANDLE handle, BY_HANDLE_FILE_INFORMATION& identity) {
  return ::GetFileInformationByHandle(handle, &identity) != 0;
}

/// On file systems without POSIX removal, the name disappears with the last handle.
bool is_removed(HANDLE handle) {
  FILE_STANDARD_INFO state{};
  return ::GetFileInformationByHandleEx(handle, FileStandardInfo, &state, sizeof state) != 0 &&
         (state.DeletePending || state.NumberOfLinks == 0);
}

}  // namespace

std::error_code File::open(const std::string& path, Access access) {
  const std::wstring name = wide_path(path);
  if (access == Access::kRead) return open_to_read(name, handle_);
  const DWORD disposition = access == Access::kReplace ? CREATE_ALWAYS : OPEN_ALWAYS;
  return patiently(
      [&] { return open_handle(name, GENERIC_READ | GENERIC_WRITE, disposition, FILE_ATTRIBUTE_NORMAL, handle_); });
}

std::error_code File::size(uint64_t& bytes) const {
  LARGE_INTEGER size{};
  if (!::GetFileSizeEx(handle_of(handle_), &size)) return last_error();
  bytes = static_cast<uint64_t>(size.QuadPart);
  return {};
}

std::error_code File::read(uint64_t offset, void* target, uint64_t bytes, uint64_t& count) const {
  count = 0;
  while (count < bytes) {
    OVERLAPPED at = place(offset + count);
    DWORD got = 0;
    const DWORD wanted = static_cast<DWORD>(std::min(bytes - count, kLargestPiece));
    if (!::ReadFile(handle_of(handle_), static_cast<char*>(target) + count, wanted, &got, &at)) {
      const std::error_code error = last_error();
      return is(error, ERROR_HANDLE_EOF) ? std::error_code() : error;
    }
    if (got == 0) break;
    count += got;
  }
  return {};
}

std::error_code File::write(uint64_t offset, const void* data, uint64_t bytes) {
  for (uint64_t done = 0; done < bytes;) {
    OVERLAPPED at = place(offset + done);
    DWORD written = 0;
    const DWORD wanted = static_cast<DWORD>(std::min(bytes - done, kLargestPiece));
    if (!::WriteFile(handle_of(handle_), static_cast<const char*>(data) + done, wanted, &written, &at))
      return last_error();
    if (written == 0) return std::make_error_code(std::errc::io_error);
    done += written;
  }
  return {};
}

std::error_code File::clear() {
  FILE_END_OF_FILE_INFO end{};
  return answer(::SetFileInformationByHandle(handle_of(handle_), FileEndOfFileInfo, &end, sizeof end));
}

// Windows has no such hint.
void File::begin_flush(uint64_t, uint64_t) {}

std::error_code File::flush() { return answer(::FlushFileBuffers(handle_of(handle_))); }

std::error_code File::close() { return answer(::CloseHandle(handle_of(std::exchange(handle_, kNone)))); }

LockResult File::try_lock() {
  OVERLAPPED at = place(kLockedByte);
  if (::LockFileEx(handle_of(handle_), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at))
    return LockResult::kTaken;
  const std::error_code error = last_error();
  return is(error, ERROR_LOCK_VIOLATION) || is(error, ERROR_IO_PENDING) ? LockResult::kHeldElsewhere
                                                                        : LockResult::kUnsupported;
}

bool File::is_named(const std::string& path) const {
  intptr_t other = -1;
  if (open_handle(wide_path(path), FILE_READ_ATTRIBUTES, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, other))
    return false;
  BY_HANDLE_FILE_INFORMATION held{}, named{};
  const bool known =
      identify(handle_of(handle_), held) && identify(handle_of(other), named) && !is_removed(handle_of(handle_));
  ::CloseHandle(handle_of(other));
  return known && held.dwVolumeSerialNumber == named.dwVolumeSerialNumber &&
         held.nFileIndexHigh == named.nFileIndexHigh && held.nFileIndexLow == named.nFileIndexLow;
}

std::error_code replace(const std::string& from, const std::string& to) {
  const std::wstring source = wide_path(from), target = wide_path(to);
  return patiently([&] {
    const std::error_code error =
        answer(::MoveFileExW(source.c_str(), target.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH));
    if (!is(error, ERROR_ACCESS_DENIED)) return error;
    return replace_open(source, target) ? error : std::error_code();
  });
}

std::error_code link(const std::string& path, const std::string& second) {
  return answer(::CreateHardLinkW(wide_path(second).c_str(), wide_path(path).c_str(), nullptr));
}

void remove(const std::string& path) {
  const std::wstring name = wide_path(path);
  static_cast<void>(patiently([&] { return answer(::DeleteFileW(name.c_str())); }));
}

// `replace` writes names through, and the file system journals them.
std::error_code flush_directory_of(const std::string&) { return {}; }

}  // namespace reviewkd::platform
