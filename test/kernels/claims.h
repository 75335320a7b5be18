#pragma once
// Claims of a program that tests itself: the first that does not hold ends it.

#include <cstdio>
#include <cstdlib>

inline int claims = 0;

inline void check(bool claim, const char* what) {
  ++claims;
  if (claim) return;
  std::printf("FAIL %s\n", what);
  std::exit(1);
}
