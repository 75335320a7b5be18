// Replays a corpus, then a number of deterministic mutations of it: the test command's fallback without libFuzzer.
// Usage: replay READER MUTATIONS DIRECTORY
//
// Prints the number of replayed inputs and of mutated ones; on failure, leaves the input on disk and ends.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "archive.h"
#include "harness.h"

namespace {

using reviewkd::fuzz::Bytes;

std::vector<Bytes> corpus_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus;
  for (const auto& path : paths) {
    std::ifstream stream(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return corpus;
}

/// A file with the current input. It stays open: ext4 writes a file to disk when it is closed after it was cut.
class LastInput {
 public:
  explicit LastInput(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {}
  LastInput(const LastInput&) = delete;
  LastInput& operator=(const LastInput&) = delete;
  ~LastInput() {
    if (file_ != nullptr) std::fclose(file_);
  }

  /// Returns whether it could be written.
  bool set(const Bytes& input) {
    if (file_ == nullptr) return false;
    std::rewind(file_);
    return std::fwrite(input.data(), 1, input.size(), file_) == input.size() && std::fflush(file_) == 0 &&
           ::ftruncate(::fileno(file_), static_cast<off_t>(input.size())) == 0;
  }

 private:
  std::FILE* file_;
};

class Mutator {
 public:
  explicit Mutator(const std::vector<Bytes>& corpus) : corpus_(corpus) {}

  Bytes next(const std::string& reader) {
    const Bytes& base = corpus_[below(corpus_.size())];
    const auto change = [&](Bytes bytes) {
      for (size_t times = 1 + below(4); times-- > 0;) bytes = changed(std::move(bytes));
      return bytes;
    };
    return reader == "zip" && below(4) != 0 ? reviewkd::fuzz::with_changed_pickle(base, change) : change(base);
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  Bytes changed(Bytes bytes) {
    const size_t at = below(bytes.size());
    const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const size_t count = std::min(below(16) + 1, bytes.size() - at);
    switch (below(7)) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<uint8_t>(random_());
        break;
      case 1:
        if (!bytes.empty()) bytes[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 2: bytes.erase(position, position + static_cast<std::ptrdiff_t>(count)); break;
      case 3: bytes.resize(at); break;
      case 4: {  // extreme numbers often break length checks
        constexpr uint8_t kExtremes[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
        std::fill_n(position, count, kExtremes[below(std::size(kExtremes))]);
        break;
      }
      case 5: {  // a piece of itself elsewhere
        const Bytes piece(position, position + static_cast<std::ptrdiff_t>(count));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)), piece.begin(), piece.end());
        break;
      }
      default: {  // a piece of another
        const Bytes& other = corpus_[below(corpus_.size())];
        const size_t from = below(other.size());
        const size_t length = std::min(below(64) + 1, other.size() - from);
        const auto begin = other.begin() + static_cast<std::ptrdiff_t>(from);
        bytes.insert(position, begin, begin + static_cast<std::ptrdiff_t>(length));
      }
    }
    return bytes;
  }

  const std::vector<Bytes>& corpus_;
  std::mt19937_64 random_{20'211};  // the same mutations each time
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: replay READER MUTATIONS DIRECTORY\n");
    return 2;
  }
  const std::string reader = argv[1];
  const size_t mutations = std::strtoull(argv[2], nullptr, 10);
  const std::vector<Bytes> corpus = corpus_in(argv[3]);
  if (corpus.empty()) {
    std::fprintf(stderr, "no inputs in %s. Pass the directory of a corpus.\n", argv[3]);
    return 2;
  }
  // If the process crashes, this file holds the input that caused it.
  const std::string path = std::string(argv[3]) + "/../last-" + reader;
  LastInput last(path);
  const auto run = [&](const Bytes& input) {
    if (!last.set(input)) {
      std::fprintf(stderr, "cannot write %s. Pass a directory whose parent can be written to.\n", path.c_str());
      std::exit(2);
    }
    return reviewkd::fuzz::run(reader, input.data(), input.size());
  };
  size_t accepted = 0;
  for (const Bytes& input : corpus) accepted += run(input);
  Mutator mutator(corpus);
  size_t accepted_changed = 0;
  for (size_t i = 0; i < mutations; ++i) accepted_changed += run(mutator.next(reader));
  std::filesystem::remove(path);
  std::printf("{\"replayed\":%zu,\"accepted\":%zu,\"changed\":%zu,\"changedAccepted\":%zu}\n", corpus.size(), accepted,
              mutations, accepted_changed);
  return 0;
}
