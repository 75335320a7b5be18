#pragma once
// The texts that processes leave for each other in c10d's store, and their keys.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/rendezvous/join_options.h"

namespace reviewkd::meeting {

/// The key of a process.
std::string key(const char* name, int64_t rank);
std::vector<std::string> keys(const char* name, int64_t size);

/// How a process introduces itself.
std::string hello_of(const Member& member);
Member member_of(const std::string& hello);

/// Code and message of an error, and the same again; INTERNAL for codes that this version does not know.
std::string text_of(const Error& error);
Error error_from(const std::string& text);

/// The sentence that c10d or Gloo says, without the place in its sources and its advice.
std::string sentence_of(const std::string& reason);

/// "1, 2, 3".
std::string list_of(const std::vector<int64_t>& ranks);

}  // namespace reviewkd::meeting
