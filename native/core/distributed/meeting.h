#pragma once
// How processes meet at a store of c10d, and what they leave there for each other. Included by few files: c10d's headers
// are large.

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "core/distributed/join_options.h"
#include "core/distributed/notice_board.h"

namespace reviewkd::meeting {

struct Met {
  /// Below the prefix of this start.
  c10::intrusive_ptr<c10d::Store> store;
  /// In the order of their ranks.
  std::vector<Member> members;
};

/// See ProcessGroup::join.
Met meet(const JoinOptions& options, const std::atomic<bool>& stop);

/// The process with the store stays a moment, so that the others read why it goes. sign: the key of those for whom it
/// waits; null: all.
void linger(const JoinOptions& options, NoticeBoard& board, const char* sign, double seconds);

/// The key of a process's notice.
std::string key(const char* what, int64_t rank);

std::string text_of(const Farewell& farewell);
Farewell farewell_from(const std::string& text);

/// The sentence that c10d or Gloo says, without the place in its sources and its advice.
std::string sentence_of(const std::string& reason);

/// "1, 2, 3".
std::string list_of(const std::vector<int64_t>& ranks);

}  // namespace reviewkd::meeting
