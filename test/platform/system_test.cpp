#include "core/platform/system.h"

#include <cstdint>
#include <cstring>

#include "check.h"
#include "core/platform/library.h"
#include "core/platform/memory.h"
#include "core/platform/processor.h"

namespace platform = reviewkd::platform;

namespace {

int own_function() { return 1; }

}  // namespace

CASE("pages are zeros, are ours to write, and go back") {
  constexpr size_t kBytes = size_t{64} << 20;
  auto* pages = static_cast<unsigned char*>(platform::map_pages(kBytes));
  CHECK(pages != nullptr && reinterpret_cast<uintptr_t>(pages) % 4096 == 0);
  for (size_t i = 0; i < kBytes; i += 4096) CHECK(pages[i] == 0);
  std::memset(pages, 7, kBytes);
  CHECK(pages[0] == 7 && pages[kBytes - 1] == 7);
  platform::unmap_pages(pages, kBytes);
}

CASE("more pages than there are give none") { CHECK(platform::map_pages(size_t{1} << 60) == nullptr); }

CASE("a hundred released mappings cost nothing") {
  for (int i = 0; i < 100; ++i) {
    void* pages = platform::map_pages(size_t{1} << 30);
    CHECK(pages != nullptr);
    platform::unmap_pages(pages, size_t{1} << 30);
  }
}

CASE("memory has the requested alignment at any size") {
  for (const size_t alignment : {size_t{16}, size_t{64}, size_t{4096}}) {
    for (const size_t bytes : {size_t{1}, size_t{63}, size_t{100'000}}) {
      void* memory = platform::allocate_aligned(alignment, bytes);
      CHECK(memory != nullptr && reinterpret_cast<uintptr_t>(memory) % alignment == 0);
      std::memset(memory, 1, bytes);
      platform::free_aligned(memory);
    }
  }
  platform::free_aligned(nullptr);
}

CASE("a library finds its dependency next to itself") {
  const std::string program = platform::library_of(reinterpret_cast<const void*>(&own_function));
  CHECK(!program.empty());
  const auto directory = platform::path_of(scratch()) / "libraries";
  std::filesystem::copy(platform::path_of(program).parent_path() / "libraries", directory);
  const std::string path = platform::utf8_of(directory / LOADED_FILE);
  std::string reason;
  void* library = platform::load_library(path, platform::Symbols::kLocal, reason);
  CHECK(library != nullptr && reason.empty());
  const auto answer = reinterpret_cast<int (*)()>(platform::symbol_of(library, "loaded_answer"));
  CHECK(answer != nullptr && answer() == 43);
  CHECK(platform::symbol_of(library, "no_answer") == nullptr);
  std::error_code error;
  CHECK(std::filesystem::equivalent(platform::path_of(platform::library_of(reinterpret_cast<const void*>(answer))),
                                    platform::path_of(path), error));
  platform::keep_loaded(reinterpret_cast<const void*>(answer));
  CHECK(answer() == 43);
}

CASE("a library that is not there gives a reason with its name") {
  std::string reason;
  const std::string path = at(platform::library_file("none"));
  CHECK(platform::load_library(path, platform::Symbols::kGlobal, reason) == nullptr);
  CHECK(reason.find(path) != std::string::npos && reason.size() > path.size());
}

CASE("paths keep every letter on their way through the system's type") {
  const std::string text = "Größe/模型/🙂.pth";
  CHECK(platform::utf8_of(platform::path_of(text)) == text);
  CHECK(platform::process_id() > 0);
}

CASE("the system's reasons are sentences without line ends") {
  const std::string reason = platform::reason_of(std::error_code(2, std::system_category()));
  CHECK(reason.size() > 5 && reason.find('\n') == std::string::npos && reason.back() != ' ');
}

#if defined(__x86_64__) && defined(__GNUC__)
CASE("the processor's features match those of the compiler's own library") {
  using platform::Instructions;
  CHECK(platform::supports(Instructions::kAvx2) == (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  CHECK(platform::supports(Instructions::kAvx512) == avx512);
#ifndef __clang__
  CHECK(platform::supports(Instructions::kAvx512Bfloat16) == (avx512 && __builtin_cpu_supports("avx512bf16")));
#endif
}
#endif
