#include "core/platform/system.h"

#include "core/platform/win32.h"

namespace reviewkd::platform {

std::wstring to_utf16(std::string_view utf8) {
  const int bytes = static_cast<int>(utf8.size());
  std::wstring text(static_cast<size_t>(::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), bytes, nullptr, 0)), L'\0');
  ::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), bytes, text.data(), static_cast<int>(text.size()));
  return text;
}

std::string to_utf8(std::wstring_view utf16) {
  const int units = static_cast<int>(utf16.size());
  std::string text(
      static_cast<size_t>(::WideCharToMultiByte(CP_UTF8, 0, utf16.data(), units, nullptr, 0, nullptr, nullptr)), '\0');
  ::WideCharToMultiByte(CP_UTF8, 0, utf16.data(), units, text.data(), static_cast<int>(text.size()), nullptr, nullptr);
  return text;
}

std::wstring wide_path(const std::string& utf8) {
  // Leaves room for what the calls themselves append.
  constexpr size_t kLongest = MAX_PATH - 13;
  const std::wstring path = to_utf16(utf8);
  if (path.size() < kLongest || path.starts_with(LR"(\\?\)")) return path;
  std::wstring whole(::GetFullPathNameW(path.c_str(), 0, nullptr, nullptr), L'\0');
  whole.resize(::GetFullPathNameW(path.c_str(), static_cast<DWORD>(whole.size()), whole.data(), nullptr));
  if (whole.empty()) return path;
  return whole.starts_with(LR"(\\)") ? LR"(\\?\UNC)" + whole.substr(1) : LR"(\\?\)" + whole;
}

std::string reason_of(const std::error_code& error) {
  if (error.category() != std::system_category()) return error.message();
  wchar_t* words = nullptr;
  const DWORD length =
      ::FormatMessageW(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
                       nullptr, static_cast<DWORD>(error.value()), 0, reinterpret_cast<wchar_t*>(&words), 0, nullptr);
  std::wstring text(words, length);
  ::LocalFree(words);
  while (!text.empty() && std::wstring_view(L"\r\n .").find(text.back()) != std::wstring_view::npos) text.pop_back();
  return text.empty() ? "error " + std::to_string(error.value()) : to_utf8(text);
}

int64_t process_id() { return ::GetCurrentProcessId(); }

}  // namespace reviewkd::platform
