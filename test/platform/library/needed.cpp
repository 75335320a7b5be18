// What loaded.cpp asks for: it has to be found beside it.
#include "exported.h"

EXPORTED int needed_answer() { return 42; }
