#pragma once
// The one exception type of the core: a stable code for programs and a message for people.

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace reviewkd {

/// The codes of TypeScript's `ErrorCode` (lib/errors.ts); a test compares the two lists.
enum class ErrorCode {
  kInvalidArgument,
  kUnknownName,
  kShapeMismatch,
  kDtypeMismatch,
  kDeviceMismatch,
  kStateDictMismatch,
  kLabelOutOfRange,
  kBatchTooSmall,
  kNonFiniteLoss,
  kDisposed,
  kAborted,
  kFileNotFound,
  kFileCorrupt,
  kFileUnsupported,
  kFileAccess,
  kCudaUnavailable,
  kOutOfMemory,
  kInternal,
};

/// The spelling used in TypeScript, for example "INVALID_ARGUMENT".
const char* to_string(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::vector<std::string> valid = {})
      : std::runtime_error(message), code_(code), valid_(std::move(valid)) {}

  ErrorCode code() const { return code_; }
  /// The names that would have been accepted, if there is such a list.
  const std::vector<std::string>& valid() const { return valid_; }

 private:
  ErrorCode code_;
  std::vector<std::string> valid_;
};

/// Throws an Error whose message is the concatenation of `parts`.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(code, message.str());
}

/// Joins names for messages: "a, b, c".
std::string joined(const std::vector<std::string>& names);

}  // namespace reviewkd
