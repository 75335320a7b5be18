// How processes meet, and what they learn of each other when one fails. Each process is a thread here.
#include "core/distributed/process_group.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "tests/support/errors.h"

namespace reviewkd::tests::process_group {
namespace {

using std::chrono::milliseconds;

c10::intrusive_ptr<c10d::TCPStore> new_store() {
  c10d::TCPStoreOptions options;
  options.port = 0;
  options.isServer = true;
  options.waitWorkers = false;
  return c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
}

JoinOptions options_of(int64_t rank, int64_t size, int64_t port, double timeout_seconds = 60) {
  JoinOptions options;
  options.self = {.rank = rank, .size = size, .host = "here", .process_id = 100 + rank, .version = "1"};
  options.master_host = "127.0.0.1";
  options.master_port = port;
  options.prefix = "test";
  static std::atomic<int> joined{0};
  options.id = "process-" + std::to_string(++joined);
  options.address = "127.0.0.1";
  options.timeout_seconds = timeout_seconds;
  return options;
}

/// A process, which works in a thread of its own.
class Process {
 public:
  using Work = std::function<void(ProcessGroup&)>;

  Process(JoinOptions options, Work work)
      : thread_([this, options = std::move(options), work = std::move(work)] { run(options, work); }) {}
  ~Process() { wait(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void wait() {
    if (thread_.joinable()) thread_.join();
  }
  /// "CODE: message", empty without an error.
  std::string error() {
    wait();
    return error_;
  }
  std::atomic<bool> stop = false;
  std::shared_ptr<std::atomic<bool>> is_abandoned = std::make_shared<std::atomic<bool>>(false);

 private:
  void run(const JoinOptions& options, const Work& work) {
    try {
      const auto group = ProcessGroup::join(options, stop, is_abandoned);
      try {
        work(*group);
      } catch (const Error& error) {
        error_ = std::string(to_string(error.code())) + ": " + error.what();
      }
      group->leave();
    } catch (const Error& error) {
      error_ = std::string(to_string(error.code())) + ": " + error.what();
    }
  }

  std::string error_;
  std::thread thread_;
};

/// At a store that outlives them.
class Processes {
 public:
  void start(std::vector<Process::Work> works) {
    const auto size = static_cast<int64_t>(works.size());
    for (int64_t rank = 0; rank < size; ++rank) start(rank, size, std::move(works[static_cast<size_t>(rank)]));
  }
  Process& start(int64_t rank, int64_t size, Process::Work work, double timeout_seconds = 60) {
    JoinOptions options = options_of(rank, size, store_->getPort(), timeout_seconds);
    options.store_is_hosted = true;
    return *processes_.emplace_back(std::make_unique<Process>(options, std::move(work)));
  }
  Process& at(size_t index) { return *processes_.at(index); }

 private:
  c10::intrusive_ptr<c10d::TCPStore> store_ = new_store();
  std::vector<std::unique_ptr<Process>> processes_;
};

void expect_texts(ProcessGroup& group) {
  const auto texts = group.exchange("from " + std::to_string(group.rank()));
  ASSERT_EQ(static_cast<int64_t>(texts.size()), group.size());
  for (size_t rank = 0; rank < texts.size(); ++rank) EXPECT_EQ(texts[rank], "from " + std::to_string(rank));
}

TEST(ProcessGroup, ExchangesTexts) {
  Processes processes;
  processes.start({expect_texts, expect_texts, expect_texts});
  for (size_t rank = 0; rank < 3; ++rank) EXPECT_EQ(processes.at(rank).error(), "");
}

TEST(ProcessGroup, MeetsRepeatedlyAtTheSameKeysOfAStoreThatOutlivesIt) {
  Processes processes;
  for (size_t attempt = 0; attempt < 3; ++attempt) {
    // The second process comes before the first one of its attempt, and finds the keys of the former ones.
    processes.start(1, 2, expect_texts);
    if (attempt > 0) std::this_thread::sleep_for(milliseconds(200));
    processes.start(0, 2, expect_texts);
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(processes.at(2 * attempt + i).error(), "") << "attempt " << attempt;
  }
}

TEST(ProcessGroup, MeetsAgainAfterAProcessWasReplacedWhileTheyMet) {
  Processes processes;
  // It goes before all have come.
  Process& gone = processes.start(1, 3, expect_texts);
  std::this_thread::sleep_for(milliseconds(200));
  gone.stop = true;
  EXPECT_EQ(gone.error().substr(0, 7), "ABORTED");
  for (const int64_t rank : {2, 0, 1}) processes.start(rank, 3, expect_texts);
  for (size_t i = 1; i <= 3; ++i) EXPECT_EQ(processes.at(i).error(), "");
}

TEST(ProcessGroup, NamesThoseThatDoNotCome) {
  // c10d looks up the names of addresses: without an answer, that takes 5 s, or a few times as long.
  constexpr double kTimeoutSeconds = 20;
  Processes with_first, with_second;
  Process& first = with_first.start(0, 2, expect_texts, kTimeoutSeconds);
  Process& second = with_second.start(1, 2, expect_texts, kTimeoutSeconds);
  EXPECT_EQ(first.error().substr(0, 17), "PROCESSES_MISSING") << first.error();
  EXPECT_NE(second.error().find("none came with rank 0"), std::string::npos) << second.error();
}

TEST(ProcessGroup, LearnsTheErrorOfAProcessThatDoesNotConnect) {
  Processes processes;
  const auto connect = [](ProcessGroup& group) { group.open("session", 3, c10::kCPU); };
  processes.start({connect, connect, [](ProcessGroup& group) { group.report_error("CUDA_UNAVAILABLE", "no GPU"); }});
  for (size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(processes.at(rank).error(),
              "PROCESS_LOST: rank 2 (here, process 102) ended with CUDA_UNAVAILABLE: no GPU");
  }
}

TEST(ProcessGroup, StopsConnectingOnceItIsAbandoned) {
  Processes processes;
  std::atomic<bool> is_connecting{false}, is_done{false};
  processes.start({[&](ProcessGroup& group) {
                     is_connecting = true;
                     is_connecting.notify_all();
                     group.open("session", 2, c10::kCPU);
                   },
                   [&](ProcessGroup&) { is_done.wait(false); }});
  is_connecting.wait(false);
  *processes.at(0).is_abandoned = true;
  EXPECT_EQ(processes.at(0).error(), "ABORTED: the work with other processes was stopped.");
  is_done = true;
  is_done.notify_all();
}

TEST(ProcessGroup, KeepsErrorsOfItsOwn) {
  Processes processes;
  const auto work = [](ProcessGroup& group) {
    EXPECT_THROW(group.together([] { throw std::bad_alloc(); }), std::bad_alloc);
    EXPECT_THROW(group.together([] { C10_THROW_ERROR(OutOfMemoryError, "full"); }), c10::OutOfMemoryError);
    expect_texts(group);
  };
  processes.start({work, work});
  for (size_t rank = 0; rank < 2; ++rank) EXPECT_EQ(processes.at(rank).error(), "");
}

TEST(ProcessGroup, NamesTheLostOneInAllProcesses) {
  Processes processes;
  const auto work = [](double pause) {
    return [pause](ProcessGroup& group) {
      // Notices it at once, or only after a while in which the others may decide.
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
      group.together([]() -> void { throw CommunicationError("Connection closed by peer"); });
    };
  };
  processes.start({work(0), work(6), [](ProcessGroup& group) { group.leave(); }});
  const std::string expected = "PROCESS_LOST: lost rank 2 (here, process 102): it ended without an error of its own (";
  EXPECT_EQ(processes.at(0).error().substr(0, expected.size()), expected);
  EXPECT_EQ(processes.at(1).error(), processes.at(0).error());
}

TEST(ProcessGroup, NamesAProcessThatHangsRatherThanThoseThatWaitForIt) {
  Processes processes;
  const auto work = [](ProcessGroup& group) {
    group.together([]() -> void { throw CommunicationError("Timed out waiting 60000ms for recv"); });
  };
  processes.start({work,
                   [](ProcessGroup& group) {
                     // Waits, and has not reached its timeout.
                     group.together([] { std::this_thread::sleep_for(milliseconds(6000)); });
                   },
                   [](ProcessGroup&) { std::this_thread::sleep_for(milliseconds(6000)); }});
  const std::string expected = "PROCESS_LOST: lost rank 2 (here, process 102): it hangs or cannot be reached (";
  EXPECT_EQ(processes.at(0).error().substr(0, expected.size()), expected);
}

TEST(ProcessGroup, ConnectsNothingAfterItHasLeft) {
  Processes processes;
  const auto work = [](ProcessGroup& group) {
    group.leave();
    EXPECT_EQ(code_of([&] { group.exchange(""); }), "PROCESS_LOST");
    EXPECT_EQ(code_of([&] { group.open("later", 1, c10::kCPU); }), "PROCESS_LOST");
  };
  processes.start({work, work});
  for (size_t rank = 0; rank < 2; ++rank) EXPECT_EQ(processes.at(rank).error(), "");
}

TEST(ProcessGroup, IsAloneWithoutOthers) {
  const auto group = ProcessGroup::solo({.rank = 0, .size = 1, .host = "here", .process_id = 100, .version = "1"});
  EXPECT_EQ(group->exchange("alone"), std::vector<std::string>{"alone"});
  EXPECT_EQ(group->open("session", 1, c10::kCPU)->size(), 1);
  group->report_error("INTERNAL", "unheard");
  group->leave();
}

}  // namespace
}  // namespace reviewkd::tests::process_group
