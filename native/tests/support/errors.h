#pragma once
// Errors that tests expect.

#include <gtest/gtest.h>

#include <string>

#include "core/base/error.h"

namespace reviewkd::tests {

/// The Error that `action` throws; a failure, and an empty one, if it throws none.
template <typename Action>
Error error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "expected an error, and nothing was thrown";
  return Error(ErrorCode::kInternal, "");
}

/// Its code, as TypeScript sees it.
template <typename Action>
std::string code_of(const Action& action) {
  return to_string(error_of(action).code());
}

}  // namespace reviewkd::tests
