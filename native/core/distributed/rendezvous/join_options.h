#pragma once
// What a process needs to meet others, and says of itself.

#include <cstdint>
#include <string>

#include "core/base/options.h"

namespace reviewkd {

/// One of the processes, as it introduces itself.
struct Member {
  int64_t rank = 0;
  int64_t size = 1;
  /// Of the machine.
  std::string host;
  int64_t process_id = 0;
  /// Of this package and of libtorch.
  std::string version;

  /// "rank 1 (node-2, process 4711)".
  std::string description() const;
};

struct JoinOptions {
  Member self;
  /// Where the store is.
  std::string master_host;
  int64_t master_port = 0;
  /// Whether the launcher runs the store; otherwise rank 0 does.
  bool store_is_hosted = false;
  /// Of all keys: the same for all processes of a run, and different for others.
  std::string prefix;
  /// Unlike that of any other process, and of this one when it joins again.
  std::string id;
  /// How many groups this process has joined and left before.
  int64_t groups_before = 0;
  /// The address of this machine that others reach.
  std::string address;
  /// How long a process waits for others: when they meet, and in each operation.
  double timeout_seconds = 600;

  static JoinOptions from(const Options& options);
};

}  // namespace reviewkd
