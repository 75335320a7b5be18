#include <unistd.h>

#include "core/platform/system.h"

namespace reviewkd::platform {

std::string reason_of(const std::error_code& error) { return error.message(); }

int64_t process_id() { return ::getpid(); }

}  // namespace reviewkd::platform
