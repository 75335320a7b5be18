// The entry points of libFuzzer, for the reader specified by REVIEWKD_READER.

#include <algorithm>
#include <string_view>

#include "archive.h"
#include "harness.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reviewkd::fuzz::run(REVIEWKD_READER, data, size);
  return 0;
}

/// Archives are mutated as a whole or only in their pickle, the others with libFuzzer's default mutations.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned int seed) {
  if (std::string_view(REVIEWKD_READER) != "zip" || seed % 4 == 0) return LLVMFuzzerMutate(data, size, most);
  const auto mutate = [&](reviewkd::fuzz::Bytes pickle) {
    const size_t before = pickle.size();
    pickle.resize(before + 256);
    pickle.resize(LLVMFuzzerMutate(pickle.data(), before, pickle.size()));
    return pickle;
  };
  const auto changed = reviewkd::fuzz::with_changed_pickle({data, data + size}, mutate);
  if (changed.size() > most || (changed.size() == size && std::equal(changed.begin(), changed.end(), data)))
    return LLVMFuzzerMutate(data, size, most);
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}
