#pragma once
// Short-lived memory of a thread, such as a padded copy of one image: a stack, of which each operation takes what it
// needs and which shrinks again where the operation ends. Nested users never share memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

namespace reviewkd::ops {

class ScratchScope;

/// Owns the memory that the scopes of one thread take. A block never moves while a scope is using it; when the
/// outermost scope ends, several blocks become one, so that the same calls allocate nothing the next time.
class ScratchArena {
 public:
  /// Of every span, in bytes: a cache line, and the widest vector of any kernel.
  static constexpr int64_t kAlignment = 64;

  /// For the thread that creates it.
  ScratchArena() = default;
  ScratchArena(const ScratchArena&) = delete;
  ScratchArena& operator=(const ScratchArena&) = delete;

  /// The calling thread's own, which is kept until the thread ends.
  static ScratchArena& of_thread();

  /// Bytes held now, whether or not a scope is using them.
  int64_t capacity() const;

 private:
  friend class ScratchScope;

  struct Free {
    void operator()(std::byte* memory) const;
  };
  struct Block {
    std::unique_ptr<std::byte, Free> data;
    int64_t bytes;
  };
  /// The end of what is in use: everything in the blocks before `block`, and `used` bytes of that one.
  struct Position {
    size_t block = 0;
    int64_t used = 0;
    int64_t taken = 0;  // by all scopes, without the unused ends of blocks
  };

  std::byte* take(int64_t bytes);
  void use_next_block(int64_t bytes);
  void release(const Position& position);

  const std::thread::id owner_ = std::this_thread::get_id();
  std::vector<Block> blocks_;
  Position position_;
  int64_t most_taken_ = 0;
  const ScratchScope* innermost_ = nullptr;
};

/// Scratch memory until the end of a C++ scope. Scopes of a thread nest; only the innermost takes memory.
class ScratchScope {
 public:
  explicit ScratchScope(ScratchArena& arena = ScratchArena::of_thread());
  ~ScratchScope();
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

  /// Memory for `count` values, not initialized, valid until this scope ends.
  /// Throws std::logic_error while another scope is nested in this one, and on any other thread than the arena's.
  template <typename T>
  std::span<T> take(int64_t count) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= ScratchArena::kAlignment);
    return {reinterpret_cast<T*>(take_bytes(count * static_cast<int64_t>(sizeof(T)))), static_cast<size_t>(count)};
  }

 private:
  std::byte* take_bytes(int64_t bytes);

  ScratchArena& arena_;
  const ScratchScope* const outer_;
  const ScratchArena::Position start_;
};

}  // namespace reviewkd::ops
