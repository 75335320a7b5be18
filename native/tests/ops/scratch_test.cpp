// Scratch memory of a thread: nested scopes, growth and reuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/ops/backend/scratch/scratch.h"

namespace reviewkd::tests::scratch {
namespace {

using ops::ScratchArena;
using ops::ScratchScope;

/// Fills the memory with one value; `holds` is then false if anyone else has written to it.
template <typename T>
void fill(std::span<T> memory, int value) {
  std::memset(memory.data(), value, memory.size_bytes());
}
template <typename T>
bool holds(std::span<T> memory, int value) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(memory.data());
  return std::all_of(bytes, bytes + memory.size_bytes(), [&](unsigned char byte) { return byte == value; });
}

bool is_aligned(const void* memory) { return reinterpret_cast<uintptr_t>(memory) % ScratchArena::kAlignment == 0; }

TEST(ScratchMemory, IsAlignedAndTyped) {
  ScratchArena arena;
  ScratchScope scope(arena);
  for (const int64_t count : {1, 3, 16, 1000}) {
    const std::span<float> floats = scope.take<float>(count);
    EXPECT_EQ(floats.size(), static_cast<size_t>(count));
    EXPECT_TRUE(is_aligned(floats.data()));
    EXPECT_TRUE(is_aligned(scope.take<char>(count).data()));
  }
  EXPECT_TRUE(scope.take<double>(0).empty());
}

TEST(ScratchMemory, OfNestedScopesDoesNotOverlap) {
  ScratchArena arena;
  ScratchScope outer(arena);
  const auto first = outer.take<char>(100);
  fill(first, 1);
  {
    ScratchScope middle(arena);
    const auto second = middle.take<float>(5000);
    fill(second, 2);
    {
      ScratchScope inner(arena);
      fill(inner.take<double>(70), 3);
      fill(inner.take<char>(1 << 20), 3);
      EXPECT_TRUE(holds(first, 1));
      EXPECT_TRUE(holds(second, 2));
    }
    fill(middle.take<char>(300), 4);
    EXPECT_TRUE(holds(second, 2));
  }
  fill(outer.take<float>(20000), 5);
  EXPECT_TRUE(holds(first, 1));
}

TEST(ScratchMemory, IsReusedWithoutAllocationByTheSameCalls) {
  ScratchArena arena;
  const auto calls = [&] {
    std::vector<const void*> places;
    ScratchScope outer(arena);
    places.push_back(outer.take<char>(5000).data());
    for (int i = 0; i < 3; ++i) {
      ScratchScope inner(arena);
      places.push_back(inner.take<float>(3000).data());
      places.push_back(inner.take<float>(9000).data());
    }
    return places;
  };
  calls();
  const auto second = calls();  // after the first, all memory is one block
  EXPECT_EQ(second[1], second[3]);
  EXPECT_EQ(second[2], second[6]);
  const int64_t capacity = arena.capacity();
  EXPECT_LE(capacity, 5000 + 4 * 12000 + 4096);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(calls(), second);
  EXPECT_EQ(arena.capacity(), capacity);
}

TEST(ScratchMemory, IsReusedByInnerScopesWhileAnOuterOneOutgrowsItsBlock) {
  ScratchArena arena;
  ScratchScope outer(arena);
  outer.take<char>(4096);
  std::vector<const void*> places;
  int64_t capacity = 0;
  for (int i = 0; i < 5; ++i) {
    ScratchScope inner(arena);
    places.push_back(inner.take<char>(10000).data());
    inner.take<char>(30000);
    if (i == 0) capacity = arena.capacity();
    EXPECT_EQ(places.back(), places.front());
    EXPECT_EQ(arena.capacity(), capacity);
  }
}

TEST(ScratchMemory, StaysInPlaceWhileMoreIsTaken) {
  ScratchArena arena;
  ScratchScope outer(arena);
  const auto small = outer.take<char>(64);
  fill(small, 7);
  int64_t bytes = 4096;
  for (int i = 0; i < 8; ++i, bytes *= 2) {
    ScratchScope inner(arena);
    fill(inner.take<char>(bytes), 8);
    EXPECT_TRUE(holds(small, 7));
  }
  // Blocks that grew too small for their only user are freed.
  EXPECT_LE(arena.capacity(), 4096 + bytes);
}

TEST(ScratchMemory, GrowsToTheMostThatWasTakenAtOneTime) {
  ScratchArena arena;
  EXPECT_EQ(arena.capacity(), 0);
  for (const int64_t bytes : {100, 50000, 300000, 200}) {
    ScratchScope scope(arena);
    fill(scope.take<char>(bytes), 1);
    fill(scope.take<char>(bytes), 2);
  }
  ScratchScope scope(arena);
  scope.take<char>(1);
  EXPECT_GE(arena.capacity(), 600000);
  EXPECT_LE(arena.capacity(), 600000 + 2 * ScratchArena::kAlignment + 4096);
}

TEST(ScratchMemory, IsReleasedWhenAnExceptionEndsTheScope) {
  ScratchArena arena;
  const auto place = [&] { return static_cast<const void*>(ScratchScope(arena).take<char>(100).data()); };
  const void* const before = place();
  EXPECT_THROW(
      {
        ScratchScope scope(arena);
        scope.take<char>(100);
        throw std::runtime_error("of the user");
      },
      std::runtime_error);
  EXPECT_EQ(place(), before);
}

TEST(ScratchMemory, IsTakenByTheInnermostScopeAlone) {
  ScratchArena arena;
  ScratchScope outer(arena);
  {
    ScratchScope inner(arena);
    EXPECT_THROW(outer.take<char>(1), std::logic_error);
    EXPECT_NO_THROW(inner.take<char>(1));
  }
  EXPECT_NO_THROW(outer.take<char>(1));
}

TEST(ScratchMemory, IsTakenByItsThreadAlone) {
  ScratchScope scope;
  bool threw = false;
  std::thread([&] {
    try {
      scope.take<char>(1);
    } catch (const std::logic_error&) {
      threw = true;
    }
  }).join();
  EXPECT_TRUE(threw);
}

TEST(ScratchMemory, OfThreadsIsTheirOwn) {
  constexpr int kThreads = 8;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 1; t <= kThreads; ++t) {
    threads.emplace_back([&wrong, t] {
      for (int round = 0; round < 200; ++round) {
        ScratchScope outer;
        const auto first = outer.take<float>(100 + 37 * round);
        fill(first, t);
        ScratchScope inner;
        const auto second = inner.take<char>(1000 * (round % 7 + 1));
        fill(second, t + kThreads);
        if (!holds(first, t) || !holds(second, t + kThreads)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace reviewkd::tests::scratch
