#pragma once
// Looks up registry entries by name.

#include <string>
#include <vector>

#include "core/base/error.h"

namespace reviewkd {

/// The entry whose member `key` is `name`. Throws UNKNOWN_NAME with the list of names; `what` describes the name in
/// the message.
template <typename Entry>
const Entry& find_entry(const std::vector<Entry>& entries, std::string Entry::* key, const std::string& name,
                        const char* what) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    if (entry.*key == name) return entry;
    names.push_back(entry.*key);
  }
  throw Error(ErrorCode::kUnknownName,
              std::string("invalid ") + what + ": expected one of " + joined(names) + ", received \"" + name + "\".",
              names);
}

}  // namespace reviewkd
