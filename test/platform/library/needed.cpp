// A dependency of loaded.cpp, which must be found next to it.
#include "exported.h"

EXPORTED int needed_answer() { return 42; }
