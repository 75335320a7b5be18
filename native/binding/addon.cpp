// The addon that is published, reviewkd.node.

#include "binding/entry_points.h"

static Napi::Object InitReviewkd(Napi::Env env, Napi::Object exports) {
  reviewkd::binding::define_entry_points(env, exports);
  return exports;
}

NODE_API_MODULE(reviewkd, InitReviewkd)
