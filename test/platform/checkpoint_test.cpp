// The core's use of the layer, as far as it works without libtorch.

#include "check.h"
#include "core/base/error.h"
#include "core/io/atomic_file.h"
#include "core/io/file_lock.h"
#include "formats/byte_source.h"

using reviewkd::AtomicFile;
using reviewkd::Error;
using reviewkd::ErrorCode;
using reviewkd::FileLock;
using reviewkd::FileSource;

namespace {

using Names = std::vector<std::string>;

void put(const std::string& path, const std::string& text, const std::string& keep_as = "") {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit(keep_as);
}

template <typename Action>
ErrorCode code_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find("cannot ") == 0 || message.find("invalid ") == 0);
    return error.code();
  }
  return ErrorCode::kInternal;
}

}  // namespace

CASE("an atomic file appears whole, or not at all") {
  put(at("last"), "first");
  {
    AtomicFile file(at("last"));
    file.write("half", 4);
  }
  CHECK(text_of(at("last")) == "first");
  CHECK(names_in(scratch()) == Names{"last"});
}

CASE("an atomic file keeps the former one under the other name") {
  put(at("last"), "first", at("previous"));
  CHECK(names_in(scratch()) == Names{"last"});
  put(at("last"), "second", at("previous"));
  put(at("last"), "third", at("previous"));
  CHECK(text_of(at("last")) == "third" && text_of(at("previous")) == "second");
  CHECK((names_in(scratch()) == Names{"last", "previous"}));
}

CASE("an atomic file is written over while it grows") {
  AtomicFile file(at("a"));
  const std::string text(20 << 20, 'x');
  file.write(text.data(), text.size());
  file.overwrite(5, "12", 2);
  file.write("end", 3);
  file.commit();
  const std::string found = text_of(at("a"));
  CHECK(found.size() == text.size() + 3 && found.substr(4, 4) == "x12x" && found.substr(text.size()) == "end");
}

CASE("an atomic file has its codes") {
  CHECK(code_of([] { AtomicFile file(at("none/a")); }) == ErrorCode::kFileAccess);
  CHECK(names_in(scratch()).empty());
}

CASE("a source of bytes has its codes") {
  CHECK(code_of([] { FileSource source(at("none")); }) == ErrorCode::kFileNotFound);
  CHECK(code_of([] { FileSource source(scratch()); }) == ErrorCode::kFileAccess);
  write_text(at("a"), "0123456789");
  const FileSource source(at("a"));
  char text[11] = {};
  source.read(0, text, 10);
  CHECK(source.size() == 10 && std::string(text) == "0123456789");
  CHECK(code_of([&] { source.read(5, text, 6); }) == ErrorCode::kFileCorrupt);
}

CASE("a lock says who has it, and takes its file along") {
  {
    const auto lock = FileLock::try_lock(at("run.lock"));
    CHECK(lock != nullptr && lock->supported() && lock->intact());
    CHECK(FileLock::try_lock(at("run.lock")) == nullptr);
    lock->write("a long holder");
    lock->write("holder");
    CHECK(text_of(at("run.lock")) == "holder");
    CHECK(other_process("lock", at("run.lock")) == 3);
  }
  CHECK(names_in(scratch()).empty());
  CHECK(FileLock::try_lock(at("run.lock")) != nullptr);
  CHECK(code_of([] { FileLock::try_lock(at("none/run.lock")); }) == ErrorCode::kFileAccess);
}

CASE("a lock whose file was removed is no longer intact, and can be taken again") {
  auto first = FileLock::try_lock(at("run.lock"));
  CHECK(first != nullptr);
  reviewkd::platform::remove(at("run.lock"));
  if (first->intact() && under_wine()) {
    first.reset();
    CHECK(names_in(scratch()).empty());
    throw Undecided{"Wine keeps the name of a removed file, without reporting it, until the file is closed everywhere"};
  }
  CHECK(!first->intact());
  const auto second = FileLock::try_lock(at("run.lock"));
  CHECK(second != nullptr && second->intact() && !first->intact());
}
