// Functions of NVIDIA's libraries that are not modelled: they fail, and the recording names them.

#include "cuda/recording/recorder.h"

extern "C" {

/// Called by the definitions in generated.cpp. `failure` is the library's own code for unsupported functions.
int reviewkd_recording_unmodelled(const char* name, int failure) {
  reviewkd::recording::Line("unmodelled").text("name", name);
  return failure;
}

}  // extern "C"
