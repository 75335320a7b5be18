#pragma once
// Randomness as a pure function of a key and a counter: any position of a run can be computed without the positions
// before it, which makes stop and resume exact.

#include <cstdint>
#include <initializer_list>

namespace reviewkd {

/// The finalizer of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
constexpr uint64_t mix64(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

/// Combines several numbers into one key; their order matters.
constexpr uint64_t key_of(std::initializer_list<uint64_t> parts) {
  uint64_t key = 0x243f6a8885a308d3ULL;
  for (uint64_t part : parts) key = mix64(key + 0x9e3779b97f4a7c15ULL + mix64(part));
  return key;
}

/// A stream of numbers that starts from a key.
class RandomStream {
 public:
  explicit RandomStream(uint64_t key) : state_(key) {}

  uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15ULL); }

  /// Uniform over 0 … bound - 1 (multiply-shift; its bias is below 2^-32 for bounds below 2^32). bound > 0.
  uint64_t below(uint64_t bound) { return ((next() >> 32) * bound) >> 32; }

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

 private:
  uint64_t state_;
};

}  // namespace reviewkd
