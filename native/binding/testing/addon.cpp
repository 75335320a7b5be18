// The addon of tests and benchmarks, reviewkd-testing.node: all of the published one, from the same objects, and single
// operations, kernel rates and the memory in use.

#include "binding/entry_points.h"
#include "binding/testing/memory.h"
#include "binding/testing/operations.h"

static Napi::Object InitReviewkdTesting(Napi::Env env, Napi::Object exports) {
  using namespace reviewkd::binding;
  define_entry_points(env, exports);
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("convNorm", conv_norm_of);
  add("attentionFusion", attention_fusion_of);
  add("contextLoss", context_loss_of);
  add("deviceBatches", device_batches_of);
  add("tensorConvolution", tensor_convolution_of);
  add("kernelRates", kernel_rates_of);
  add("heldMemory", held_memory_of);
  return exports;
}

NODE_API_MODULE(reviewkd_testing, InitReviewkdTesting)
