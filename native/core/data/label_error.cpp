#include "core/data/label_error.h"

#include "core/base/error.h"

namespace reviewkd {

void fail_label(const std::string& what, const std::string& list, int64_t index, int64_t label, int64_t lowest,
                int64_t highest, const std::string& fix) {
  fail(ErrorCode::kLabelOutOfRange, "invalid ", what, ": ", list, "[", index, "] is ", label,
       ": expected an integer from ", lowest, " to ", highest, ". ", fix);
}

}  // namespace reviewkd
