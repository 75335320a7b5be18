#pragma once
// How processes meet at a store of c10d. Included by few files: c10d's headers are large.

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/distributed/rendezvous/join_options.h"
#include "core/distributed/rendezvous/store_client.h"

namespace reviewkd::meeting {

/// While one lives, c10d writes none of its own messages to the terminal: our errors repeat them.
class QuietScope {
 public:
  QuietScope();
  ~QuietScope();
  QuietScope(const QuietScope&) = delete;
  QuietScope& operator=(const QuietScope&) = delete;
};

struct Met {
  /// Below the keys of this attempt, for c10d.
  c10::intrusive_ptr<c10d::Store> store;
  /// The same by a connection of its own, as c10d's calls may wait for long.
  StoreClient client;
  /// In the order of their ranks.
  std::vector<Member> members;
};

/// See ProcessGroup::join.
Met meet(const JoinOptions& options, const std::atomic<bool>& stop);

/// How often a process has shown that it is alive, and its state. Written from the meeting on.
inline constexpr const char* kBeat = "beat";

}  // namespace reviewkd::meeting
