#include "core/base/error.h"

namespace reviewkd {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "INVALID_ARGUMENT";
    case ErrorCode::kUnknownName: return "UNKNOWN_NAME";
    case ErrorCode::kShapeMismatch: return "SHAPE_MISMATCH";
    case ErrorCode::kDtypeMismatch: return "DTYPE_MISMATCH";
    case ErrorCode::kDeviceMismatch: return "DEVICE_MISMATCH";
    case ErrorCode::kStateDictMismatch: return "STATE_DICT_MISMATCH";
    case ErrorCode::kLabelOutOfRange: return "LABEL_OUT_OF_RANGE";
    case ErrorCode::kBatchTooSmall: return "BATCH_TOO_SMALL";
    case ErrorCode::kNonFiniteLoss: return "NON_FINITE_LOSS";
    case ErrorCode::kDisposed: return "DISPOSED";
    case ErrorCode::kAborted: return "ABORTED";
    case ErrorCode::kFileNotFound: return "FILE_NOT_FOUND";
    case ErrorCode::kFileCorrupt: return "FILE_CORRUPT";
    case ErrorCode::kFileUnsupported: return "FILE_UNSUPPORTED";
    case ErrorCode::kFileAccess: return "FILE_ACCESS";
    case ErrorCode::kCudaUnavailable: return "CUDA_UNAVAILABLE";
    case ErrorCode::kOutOfMemory: return "OUT_OF_MEMORY";
    case ErrorCode::kInternal: return "INTERNAL";
  }
  return "INTERNAL";
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace reviewkd
