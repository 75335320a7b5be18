#pragma once

#include <chrono>

namespace gloo {

/// Its one function that ProcessGroupGloo.hpp calls, in a function that is not called here.
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
