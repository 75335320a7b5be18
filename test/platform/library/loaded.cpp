#include "exported.h"

extern "C" int needed_answer();

EXPORTED int loaded_answer() { return needed_answer() + 1; }
