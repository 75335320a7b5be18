#pragma once
// The texts that processes leave for each other in c10d's store. Included by few files: c10d's headers are large.

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace reviewkd {

/// Calls work on a thread of its own and returns its result. After so many seconds, or once `look`, which is called
/// between them, throws, the thread is left alone: work owns what it uses. Throws a "Timed out" then.
void within(double seconds, const std::function<void()>& work, const std::function<void()>& look = {});

/// A store whose calls end, unlike c10d's, if the process that runs it hangs.
class NoticeBoard {
 public:
  /// seconds: that a call waits.
  NoticeBoard(c10::intrusive_ptr<c10d::Store> store, double seconds);

  void set_patience(double seconds) { seconds_ = seconds; }

  bool has(const std::string& key);
  std::string read(const std::string& key);
  void write(const std::string& key, const std::string& text);
  /// Returns how often this key was counted, by all processes together.
  int64_t count(const std::string& key);

 private:
  void call(const std::function<void(c10d::Store&)>& work);

  c10::intrusive_ptr<c10d::Store> store_;
  double seconds_;
  /// A call has not ended, for which c10d makes all others wait.
  bool hangs_ = false;
};

}  // namespace reviewkd
