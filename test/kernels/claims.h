#pragma once
// Claims of a self-testing program: the first one that fails ends it.

#include <cstdio>
#include <cstdlib>

inline int claims = 0;

inline void check(bool claim, const char* what) {
  ++claims;
  if (claim) return;
  std::printf("FAIL %s\n", what);
  std::exit(1);
}
