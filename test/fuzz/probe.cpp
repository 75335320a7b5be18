// Reads a file's table, as `readWeightsInfo` does, and prints the outcome and the peak memory.
// Usage: probe FILE

#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "core/base/error.h"
#include "formats/weights/weights_table.h"

namespace {

/// Peak memory of the program. On Linux, getrusage, which other systems use, includes the parent's.
long peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stol(line.substr(6));
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const char* code = "none";
  size_t tensors = 0;
  try {
    tensors = reviewkd::read_weights_table(reviewkd::FileSource(argv[1])).tensors.size();
  } catch (const reviewkd::Error& error) {
    code = reviewkd::to_string(error.code());
  }
  std::printf("{\"code\":\"%s\",\"tensors\":%zu,\"peakKiB\":%ld}\n", code, tensors, peak_kib());
  return 0;
}
