#pragma once
// The texts that processes leave for each other in c10d's store. Included by few files: c10d's headers are large.

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace reviewkd {

/// How often a wait looks whether it was stopped.
inline constexpr std::chrono::milliseconds kBetweenLooks{50};

inline std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

/// In c10d's words, by which timeouts are known.
class TimedOut : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Called repeatedly while something waits; may throw to end the wait.
using Look = std::function<void()>;

/// Calls work on a thread of its own, and returns when it has ended. After so many seconds, or once `look` throws, the
/// thread is left alone: work owns what it uses. Throws TimedOut then.
void within(double seconds, const std::function<void()>& work, const Look& look = {});

/// A store whose calls end, unlike c10d's, if the process that runs it hangs. Copies share a connection and the thread
/// that uses it; any thread may call. Throws TimedOut, what `look` throws, and what c10d throws if the store is gone.
class StoreClient {
 public:
  /// seconds: that a call waits.
  StoreClient(c10::intrusive_ptr<c10d::Store> store, double seconds, Look look = {});

  /// The same connection with other limits.
  StoreClient within(double seconds, Look look = {}) const;

  bool has(const std::string& key) const { return has_all({key}); }
  bool has_all(const std::vector<std::string>& keys) const;
  /// Of keys that exist.
  std::string read(const std::string& key) const;
  std::vector<std::string> read_all(const std::vector<std::string>& keys) const;
  void write(const std::string& key, const std::string& text) const;
  /// Writes unless the key exists, and returns its text.
  std::string write_first(const std::string& key, const std::string& text) const;
  /// Returns how often this key was counted, by all processes together.
  int64_t count(const std::string& key) const;

 private:
  class Connection;

  template <typename Work>
  auto call(const Work& work) const;

  std::shared_ptr<Connection> connection_;
  double seconds_;
  Look look_;
};

}  // namespace reviewkd
