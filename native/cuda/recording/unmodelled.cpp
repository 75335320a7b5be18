// Functions of NVIDIA's libraries that nothing stands for: they fail, and the recording names them.


#include "cuda/recording/recorder.h"

extern "C" {

/// For the definitions in generated.c. `failure` is the library's own code for what it does not support.
int reviewkd_recording_unmodelled(const char* name, int failure) {
  reviewkd::recording::Line("unmodelled").text("name", name);
  return failure;
}

}  // extern "C"
