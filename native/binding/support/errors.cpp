#include "binding/support/errors.h"

#include <c10/util/Exception.h>

#include <new>

#include "binding/support/runtime.h"

namespace reviewkd::binding {
namespace {

/// libtorch's messages start with the location of the failed check and may carry a trace; the first line describes
/// the error.
Error describe_libtorch(const c10::Error& error) {
  std::string message = error.what_without_backtrace();
  const bool memory = message.find("alloc") != std::string::npos && message.find("memory") != std::string::npos;
  if (message.find("more than 1 value per channel") != std::string::npos) {
    return {ErrorCode::kBatchTooSmall,
            "invalid batch: expected at least 2 values per channel for training, received 1. Batch normalization over "
            "a single value is undefined; use more or larger images."};
  }
  const auto line_end = message.find('\n');
  if (line_end != std::string::npos) message.resize(line_end);
  return {memory ? ErrorCode::kOutOfMemory : ErrorCode::kInternal, "libtorch: " + message};
}

}  // namespace

Error to_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& own) {
    return own;
  } catch (const c10::Error& libtorch) {
    return describe_libtorch(libtorch);
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kOutOfMemory, "out of memory. Use smaller batches or images, or a smaller network."};
  } catch (const std::exception& other) {
    return {ErrorCode::kInternal, other.what()};
  } catch (...) {
    return {ErrorCode::kInternal, "an unknown C++ exception"};
  }
}

Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& error) {
  const Error own = to_error(error);
  const Napi::Function error_class = Runtime::of(env).error_class();
  if (error_class.IsEmpty()) {
    Napi::Error plain = Napi::Error::New(env, own.what());
    plain.Set("code", to_string(own.code()));
    return plain;
  }
  Napi::Array valid = Napi::Array::New(env, own.valid().size());
  for (size_t i = 0; i < own.valid().size(); ++i) valid.Set(i, own.valid()[i]);
  Napi::Object options = Napi::Object::New(env);
  options.Set("valid", valid);
  const Napi::Object instance =
      error_class.New({Napi::String::New(env, to_string(own.code())), Napi::String::New(env, own.what()), options});
  return Napi::Error(env, instance);
}

}  // namespace reviewkd::binding
