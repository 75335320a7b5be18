#include "core/platform/file.h"

#include <filesystem>

#include "check.h"
#include "core/platform/system.h"

namespace platform = reviewkd::platform;
using platform::Access;
using platform::File;
using platform::LockResult;

namespace {

bool missing(const std::error_code& error) { return error == std::errc::no_such_file_or_directory; }

}  // namespace

CASE("a file is written and read at any place") {
  File file;
  CHECK(!file.open(at("a"), Access::kReplace));
  CHECK(!file.write(0, "0123456789", 10));
  CHECK(!file.write(3, "xyz", 3));
  char text[20] = {};
  uint64_t count = 0, size = 0;
  CHECK(!file.read(2, text, 5, count));
  CHECK(count == 5 && std::string(text) == "2xyz6");
  CHECK(!file.size(size) && size == 10);
  CHECK(!file.flush());
  CHECK(!file.close() && !file.is_open());
  CHECK(text_of(at("a")) == "012xyz6789");
}

CASE("reading ends at the end of the file, and is no error beyond it") {
  write_text(at("a"), "0123456789");
  File file;
  CHECK(!file.open(at("a"), Access::kRead));
  char text[20] = {};
  uint64_t count = 0;
  CHECK(!file.read(8, text, 20, count) && count == 2 && std::string(text) == "89");
  CHECK(!file.read(10, text, 1, count) && count == 0);
  CHECK(!file.read(uint64_t{1} << 33, text, 1, count) && count == 0);
}

CASE("kReplace empties a file, kShare leaves it, and both make one") {
  write_text(at("a"), "long text");
  File replaced, shared, made;
  CHECK(!shared.open(at("a"), Access::kShare));
  CHECK(text_of(at("a")) == "long text");
  CHECK(!replaced.open(at("a"), Access::kReplace));
  CHECK(text_of(at("a")).empty());
  CHECK(!made.open(at("b"), Access::kShare));
  CHECK(text_of(at("b")).empty());
}

CASE("clear empties a file that is open") {
  File file;
  CHECK(!file.open(at("a"), Access::kShare));
  CHECK(!file.write(0, "long text", 9));
  CHECK(!file.clear());
  CHECK(!file.write(0, "short", 5));
  CHECK(text_of(at("a")) == "short");
}

CASE("a missing file is distinguished from one that cannot be opened") {
  File file;
  CHECK(missing(file.open(at("none"), Access::kRead)) && !file.is_open());
  CHECK(missing(file.open(at("none/a"), Access::kRead)));
  CHECK(missing(file.open(at("none/a"), Access::kReplace)));
  const std::error_code directory = file.open(scratch(), Access::kRead);
  CHECK(directory == std::errc::is_a_directory && !missing(directory) && !file.is_open());
  CHECK(file.open(scratch(), Access::kReplace));
  CHECK(!platform::reason_of(file.open(at("none"), Access::kRead)).empty());
}

CASE("a path of more than 260 characters is one like others") {
  std::string deep = scratch();
  for (int level = 0; level < 6; ++level) deep += "/" + std::string(60, static_cast<char>('a' + level));
#ifdef _WIN32
  std::filesystem::create_directories(std::filesystem::path(
      LR"(\\?\)" + std::filesystem::absolute(platform::path_of(deep)).make_preferred().wstring()));
#else
  std::filesystem::create_directories(platform::path_of(deep));
#endif
  write_text(deep + "/a", "deep");
  CHECK(text_of(deep + "/a") == "deep");
  CHECK(!platform::replace(deep + "/a", at("a")));
  CHECK(text_of(at("a")) == "deep");
}

CASE("a moved file is open in one place") {
  File file;
  CHECK(!file.open(at("a"), Access::kReplace));
  File other(std::move(file));
  CHECK(!file.is_open() && other.is_open());
  file = std::move(other);
  CHECK(file.is_open() && !other.is_open());
  CHECK(!file.write(0, "x", 1));
}

CASE("replace puts one file in place of another, whole") {
  write_text(at("new"), "new");
  write_text(at("old"), "old");
  CHECK(!platform::replace(at("new"), at("old")));
  CHECK(text_of(at("old")) == "new");
  CHECK(names_in(scratch()) == std::vector<std::string>{"old"});
  CHECK(missing(platform::replace(at("none"), at("old"))));
  CHECK(text_of(at("old")) == "new");
  CHECK(!platform::flush_directory_of(at("old")));
}

CASE("replace works under a reader, who keeps the file that was opened") {
  write_text(at("old"), "old");
  write_text(at("new"), "new");
  File reader;
  CHECK(!reader.open(at("old"), Access::kRead));
  const std::error_code error = platform::replace(at("new"), at("old"));
  char text[4] = {};
  uint64_t count = 0;
  CHECK(!reader.read(0, text, 3, count) && std::string(text) == "old");
  if (error && under_wine()) {
    CHECK(text_of(at("old")) == "old" && text_of(at("new")) == "new");
    throw Undecided{"Wine refuses to replace a file that is open; both files are still whole"};
  }
  CHECK(!error);
  CHECK(text_of(at("old")) == "new");
}

CASE("link gives a second name to one file") {
  write_text(at("a"), "one");
  CHECK(!platform::link(at("a"), at("b")));
  CHECK(text_of(at("b")) == "one");
  File file;
  CHECK(!file.open(at("a"), Access::kRead));
  CHECK(file.is_named(at("a")) && file.is_named(at("b")));
  CHECK(platform::link(at("a"), at("b")) == std::errc::file_exists);
  CHECK(missing(platform::link(at("none"), at("c"))));
}

CASE("remove takes away a file, and passes over one that is not there") {
  write_text(at("a"), "text");
  platform::remove(at("a"));
  platform::remove(at("a"));
  CHECK(names_in(scratch()).empty());
}

CASE("a removed file is no longer named by its path, even when the path is reused") {
  File file;
  CHECK(!file.open(at("a"), Access::kShare));
  CHECK(file.is_named(at("a")));
  platform::remove(at("a"));
  if (file.is_named(at("a")) && under_wine()) {
    CHECK(!file.close());
    CHECK(names_in(scratch()).empty());
    throw Undecided{"Wine keeps the name of a removed file, without reporting it, until the file is closed everywhere"};
  }
  CHECK(!file.is_named(at("a")));
  write_text(at("a"), "another");
  CHECK(!file.is_named(at("a")));
}

CASE("one lock is taken once in a process") {
  File first, second;
  CHECK(!first.open(at("lock"), Access::kShare) && !second.open(at("lock"), Access::kShare));
  CHECK(first.try_lock() == LockResult::kTaken);
  CHECK(second.try_lock() == LockResult::kHeldElsewhere);
  CHECK(!first.close());
  CHECK(second.try_lock() == LockResult::kTaken);
}

CASE("a lock binds other processes, and its text can be read by them") {
  File file;
  CHECK(!file.open(at("lock"), Access::kShare));
  CHECK(file.try_lock() == LockResult::kTaken);
  CHECK(!file.write(0, "held", 4));
  CHECK(other_process("lock", at("lock")) == 3);
  CHECK(text_of(at("lock")) == "held");
  CHECK(!file.close());
  CHECK(other_process("lock", at("lock")) == 0);
}

CASE("a process that ends gives up its lock, however it ends") {
  CHECK(other_process("die", at("lock")) == 7);
  File file;
  CHECK(!file.open(at("lock"), Access::kShare));
  CHECK(file.try_lock() == LockResult::kTaken);
}
