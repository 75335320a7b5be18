// Quotas of control groups, as the kernel and containers show them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "core/platform/processors.h"
#include "tests/support/temporary_path.h"

namespace reviewkd::tests {
namespace {

namespace fs = std::filesystem;

/// The root of a file system that has these files.
class Root {
 public:
  explicit Root(const std::map<std::string, std::string>& files) {
    for (const auto& [name, text] : files) {
      const fs::path path = path_ / name;
      fs::create_directories(path.parent_path());
      std::ofstream(path) << text;
    }
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() { fs::remove_all(path_); }

  std::optional<double> quota() const { return platform::processor_quota(path_.string()); }

 private:
  fs::path path_ = temporary_path("processors");
};

/// Tests of control groups, which Linux alone has.
class ControlGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists("/proc/self/mountinfo")) GTEST_SKIP() << "needs Linux";
  }
};

const std::string kV2Mount =
    "24 1 0:22 / /proc rw - proc proc rw\n30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
const std::string kV1Mount = "33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

TEST(Processors, AreScheduledOnOneAtLeast) { EXPECT_GE(platform::scheduled_processors(), 1); }

TEST_F(ControlGroups, LimitTheirProcesses) {
  const Root root({{"proc/self/mountinfo", kV2Mount},
                   {"proc/self/cgroup", "0::/pod/box\n"},
                   {"sys/fs/cgroup/pod/box/cpu.max", "150000 100000\n"}});
  EXPECT_EQ(root.quota(), 1.5);
}

TEST_F(ControlGroups, PassTheLeastQuotaDown) {
  const Root root({{"proc/self/mountinfo", kV2Mount},
                   {"proc/self/cgroup", "0::/pod/box/job\n"},
                   {"sys/fs/cgroup/pod/cpu.max", "200000 100000\n"},
                   {"sys/fs/cgroup/pod/box/cpu.max", "max 100000\n"},
                   {"sys/fs/cgroup/pod/box/job/cpu.max", "400000 100000\n"}});
  EXPECT_EQ(root.quota(), 2);
}

TEST_F(ControlGroups, AreTheRootForAContainer) {
  const Root root(
      {{"proc/self/mountinfo", kV2Mount}, {"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", "50000 100000\n"}});
  EXPECT_EQ(root.quota(), 0.5);
}

TEST_F(ControlGroups, HaveAFirstVersion) {
  const Root root({{"proc/self/mountinfo", kV1Mount},
                   {"proc/self/cgroup", "5:memory:/other\n4:cpu,cpuacct:/pod\n"},
                   {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
                   {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
                   {"sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us", "250000\n"},
                   {"sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us", "100000\n"}});
  EXPECT_EQ(root.quota(), 2.5);
}

TEST_F(ControlGroups, HaveTheHostsPathsInSomeContainers) {
  const Root root(
      {{"proc/self/mountinfo", "33 25 0:29 /docker/a1 /sys/fs/cgroup/cpu\\040x ro - cgroup cgroup ro,cpu\n"},
       {"proc/self/cgroup", "4:cpu:/docker/a1\n"},
       {"sys/fs/cgroup/cpu x/cpu.cfs_quota_us", "100000\n"},
       {"sys/fs/cgroup/cpu x/cpu.cfs_period_us", "50000\n"}});
  EXPECT_EQ(root.quota(), 2);
}

TEST_F(ControlGroups, CanLieElsewhere) {
  const Root root({{"proc/self/mountinfo", kV2Mount},
                   {"proc/self/cgroup", "0::/../../other\n"},
                   {"sys/fs/cgroup/cpu.max", "300000 100000\n"},
                   {"other/cpu.max", "1000 100000\n"}});
  EXPECT_EQ(root.quota(), 3);
}

TEST_F(ControlGroups, HaveNoQuotaWithoutAWellFormedOne) {
  EXPECT_EQ(Root({}).quota(), std::nullopt);
  for (const auto* text : {"max 100000\n", "", "100000\n", "x 100000\n", "100000 0\n", "-1 100000\n"}) {
    const Root root(
        {{"proc/self/mountinfo", kV2Mount}, {"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/cpu.max", text}});
    EXPECT_EQ(root.quota(), std::nullopt) << text;
  }
  const Root other(
      {{"proc/self/mountinfo", "33 25 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\nbroken\n"},
       {"proc/self/cgroup", "4:cpu\n"},
       {"sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000\n"},
       {"sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n"}});
  EXPECT_EQ(other.quota(), std::nullopt);
}

}  // namespace
}  // namespace reviewkd::tests
