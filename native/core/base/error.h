#pragma once
// The one exception type of the core: a stable code for programs and a message for people.

#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace reviewkd {

/// The codes of TypeScript's `ErrorCode` (lib/errors.ts) that native code uses, and their spelling there; a test compares
/// the two lists.
#define REVIEWKD_ERROR_CODES(CODE) \
  CODE(kInvalidArgument, "INVALID_ARGUMENT") \
  CODE(kUnknownName, "UNKNOWN_NAME") \
  CODE(kShapeMismatch, "SHAPE_MISMATCH") \
  CODE(kDtypeMismatch, "DTYPE_MISMATCH") \
  CODE(kDeviceMismatch, "DEVICE_MISMATCH") \
  CODE(kStateDictMismatch, "STATE_DICT_MISMATCH") \
  CODE(kLabelOutOfRange, "LABEL_OUT_OF_RANGE") \
  CODE(kBatchTooSmall, "BATCH_TOO_SMALL") \
  CODE(kNonFiniteLoss, "NON_FINITE_LOSS") \
  CODE(kDisposed, "DISPOSED") \
  CODE(kAborted, "ABORTED") \
  CODE(kFileNotFound, "FILE_NOT_FOUND") \
  CODE(kFileCorrupt, "FILE_CORRUPT") \
  CODE(kFileUnsupported, "FILE_UNSUPPORTED") \
  CODE(kFileAccess, "FILE_ACCESS") \
  CODE(kCudaUnavailable, "CUDA_UNAVAILABLE") \
  CODE(kProcessEnvironment, "PROCESS_ENVIRONMENT") \
  CODE(kPortInUse, "PORT_IN_USE") \
  CODE(kMasterUnreachable, "MASTER_UNREACHABLE") \
  CODE(kProcessesMissing, "PROCESSES_MISSING") \
  CODE(kProcessesDiffer, "PROCESSES_DIFFER") \
  CODE(kProcessLost, "PROCESS_LOST") \
  CODE(kOutOfMemory, "OUT_OF_MEMORY") \
  CODE(kInternal, "INTERNAL")

enum class ErrorCode {
#define REVIEWKD_ENUMERATOR(name, spelling) name,
  REVIEWKD_ERROR_CODES(REVIEWKD_ENUMERATOR)
#undef REVIEWKD_ENUMERATOR
};

/// The spelling used in TypeScript, for example "INVALID_ARGUMENT".
const char* to_string(ErrorCode code);

/// The code with this spelling; nullopt for those that only TypeScript has.
std::optional<ErrorCode> error_code_of(const std::string& spelling);

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
