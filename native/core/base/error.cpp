#include "core/base/error.h"

namespace reviewkd {

const char* to_string(ErrorCode code) {
  switch (code) {
#define REVIEWKD_SPELLING(name, spelling) \
  case ErrorCode::name: return spelling;
    REVIEWKD_ERROR_CODES(REVIEWKD_SPELLING)
#undef REVIEWKD_SPELLING
  }
  return "INTERNAL";
}

std::optional<ErrorCode> error_code_of(const std::string& spelling) {
#define REVIEWKD_CODE(name, text) \
  if (spelling == (text)) return ErrorCode::name;
  REVIEWKD_ERROR_CODES(REVIEWKD_CODE)
#undef REVIEWKD_CODE
  return std::nullopt;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace reviewkd
