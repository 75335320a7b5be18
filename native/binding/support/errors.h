#pragma once
// The one place where C++ exceptions become JavaScript errors.

#include <napi.h>

#include <exception>

#include "core/base/error.h"

namespace reviewkd::binding {

/// `error` as one of our own. Other exceptions, including libtorch's and the standard library's, become errors with the
/// code INTERNAL or OUT_OF_MEMORY.
Error to_error(const std::exception_ptr& error);

/// The JavaScript error for `error`: a ReviewKdError with code, message and valid names.
Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& error);

/// Runs `body` and rethrows its exceptions as JavaScript errors.
template <typename Body>
auto translate_exceptions(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

}  // namespace reviewkd::binding
