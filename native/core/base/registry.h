#pragma once
// Looks up registry entries by name.

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace reviewkd {

/// All of a few names; of many the first ones, and how many there are: the error has the whole list.
inline std::string listed_briefly(const std::vector<std::string>& names) {
  constexpr size_t kLongest = 120, kFew = 3;
  std::string all = joined(names);
  if (all.size() <= kLongest || names.size() <= kFew) return all;
  const auto few = names.begin() + static_cast<std::ptrdiff_t>(kFew);
  return joined({names.begin(), few}) + ", … (" + std::to_string(names.size()) + " in all)";
}

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
  throw Error(
      ErrorCode::kUnknownName,
      std::string("invalid ") + what + ": expected one of " + listed_briefly(names) + ", received \"" + name + "\".",
      names);
}

}  // namespace reviewkd
