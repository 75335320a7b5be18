#include "binding/data/batch_queue.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "binding/data/dataset.h"
#include "binding/detection/evaluation.h"
#include "binding/functional/tensor_tree.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "core/data/batch_loader.h"
#include "core/data/resized_crop.h"
#include "core/tasks/detection/detection.h"

namespace reviewkd::binding {
namespace {

const uint8_t* data_of(const Napi::TypedArray& array) {
  return reinterpret_cast<const uint8_t*>(array_bytes(array).first);
}

/// Runs `work` on its own thread, because it may wait for work done in JavaScript meanwhile.
template <typename Work, typename Convert>
Napi::Value on_own_thread(Napi::Env env, Work work, Convert convert) {
  const auto thread = Runtime::of(env).new_thread();
  const Napi::Promise promise = run_async(env, thread, std::move(work), std::move(convert));
  thread->close();
  return promise;
}

/// Images in their own size, { masks, labels }: without a detector nothing is resized.
DetectionPlan plan_of(const Options& options) {
  DetectionPlan plan;
  plan.masks = options.boolean("masks");
  plan.label_of = options.integers("labels");
  return plan;
}

/// { images: [3, H, W][], targets: { boxes, labels, masks? }[] }, without padding.
TensorTree to_tree(const Batch& batch) {
  const ImageBatch padded = batch.image_batch();
  TensorTree::List images, targets;
  for (const auto& objects : targets_by_image(batch.targets, padded)) {
    const auto index = static_cast<int64_t>(images.size());
    const ImageSize size = padded.size(index);
    images.emplace_back(
        batch.images[index].narrow(1, 0, size.height).narrow(2, 0, size.width).clone(at::MemoryFormat::Contiguous));
    TensorTree::Record record = {{"boxes", objects.boxes.clone()}, {"labels", objects.labels.clone()}};
    if (objects.masks.defined()) record.emplace_back("masks", objects.masks.clone(at::MemoryFormat::Contiguous));
    targets.emplace_back(std::move(record));
  }
  return TensorTree::Record{{"images", std::move(images)}, {"targets", std::move(targets)}};
}

}  // namespace

void BatchQueueHandle::define(Napi::Env env) {
  Handle::define(
      env, InstanceMethod("open", &BatchQueueHandle::open),
      InstanceMethod("firstBatch", &BatchQueueHandle::first_batch), InstanceMethod("put", &BatchQueueHandle::put),
      InstanceMethod("putDecoded", &BatchQueueHandle::put_decoded), InstanceMethod("room", &BatchQueueHandle::room),
      InstanceMethod("next", &BatchQueueHandle::next), InstanceMethod("finish", &BatchQueueHandle::finish),
      InstanceMethod("fail", &BatchQueueHandle::fail_with), InstanceMethod("cancel", &BatchQueueHandle::cancel));
}

void BatchQueueHandle::open(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] {
    BatchPlan plan{.batch_size = integer_of(info[0], "batchSize"),
                   .smallest_batch = integer_of(info[1], "smallestBatch"),
                   .first_batch = integer_of(info[2], "firstBatch")};
    if (!info[3].IsUndefined()) plan.detection = plan_of(options_of(info[3], "objects"));
    if (!info[4].IsUndefined()) {
      const Options share = options_of(info[4], "share");
      plan.share = {share.integer("rank"), share.integer("size")};
    }
    resource()->queue->open(plan, resource()->set.size);
  });
}

Napi::Value BatchQueueHandle::first_batch(const Napi::CallbackInfo& info) {
  return translate_exceptions(
      info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(resource()->queue->first_batch())); });
}

void BatchQueueHandle::put(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] {
    const auto images = resource();
    if (!info[0].IsTypedArray() || !info[1].IsTypedArray())
      fail(ErrorCode::kInvalidArgument, "invalid images or labels: expected typed arrays.");
    const auto pixels = info[0].As<Napi::TypedArray>();
    const auto labels = info[1].As<Napi::TypedArray>();
    const bool bytes = pixels.TypedArrayType() == napi_uint8_array;
    if ((!bytes && pixels.TypedArrayType() != napi_float32_array) || labels.TypedArrayType() != napi_bigint64_array) {
      fail(ErrorCode::kDtypeMismatch,
           "invalid arrays: expected Uint8Array or Float32Array images and BigInt64Array labels.");
    }
    const auto count = static_cast<int64_t>(labels.ElementLength());
    const int64_t expected = count * images->image_values;
    if (static_cast<int64_t>(pixels.ElementLength()) != expected) {
      fail(ErrorCode::kShapeMismatch, "invalid images: expected ", expected, " values for ", count,
           " images, received ", pixels.ElementLength(), ".");
    }
    if (!images->images)
      fail(ErrorCode::kInvalidArgument, "invalid images: expected decoded images with boxes, received labels.");
    images->images->put({.values = data_of(pixels),
                         .dtype = bytes ? at::kByte : at::kFloat,
                         .labels = reinterpret_cast<const int64_t*>(data_of(labels)),
                         .count = count,
                         .replaced = integer_of(info[2], "replaced")});
  });
}

void BatchQueueHandle::put_decoded(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] {
    const auto images = resource();
    if (!images->detection || !info[0].IsTypedArray())
      fail(ErrorCode::kInvalidArgument, "invalid image: expected a Uint8Array for a queue of images with boxes.");
    const auto pixels = info[0].As<Napi::TypedArray>();
    const int64_t height = integer_of(info[1], "height"), width = integer_of(info[2], "width");
    const Options options = options_of(info[3], "options");
    if (height < 1 || width < 1 || pixels.TypedArrayType() != napi_uint8_array ||
        static_cast<int64_t>(pixels.ElementLength()) != 3 * height * width) {
      fail(ErrorCode::kShapeMismatch, "invalid image: expected ", height, " × ", width, " × 3 bytes, received ",
           pixels.ElementLength(), ".");
    }
    DecodedImage image;
    image.position = options.integer("position");
    image.flip = options.boolean("flip");
    image.shortest = options.number("shortest");
    image.is_replacement = options.boolean("isReplacement");
    image.pixels = at::empty({height, width, 3}, at::kByte);
    std::memcpy(image.pixels.data_ptr<uint8_t>(), data_of(pixels), pixels.ByteLength());
    images->detection->put(std::move(image));
  });
}

Napi::Value BatchQueueHandle::room(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const auto queue = resource()->queue;
    // Usually there is room, so no turn of the event loop is needed. After the end of a pass there may be none: nothing
    // else need keep the process alive then, which would exit with the producer waiting.
    const bool has_room = queue->has_room();
    if (has_room || queue->is_cancelled()) {
      const Napi::Promise::Deferred deferred(env);
      deferred.Resolve(Napi::Boolean::New(env, has_room));
      return deferred.Promise();
    }
    auto [promise, resolve] =
        open_promise<bool>(env, [](Napi::Env env, bool room) { return Napi::Boolean::New(env, room); });
    queue->when_room(std::move(resolve));
    return promise;
  });
}

Napi::Value BatchQueueHandle::next(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto queue = resource()->queue;
    if (!resource()->detection) return on_own_thread(info.Env(), [queue] { return queue->next(); }, to_js_batch);
    return on_own_thread(
        info.Env(),
        [queue] {
          const auto batch = queue->next();
          return batch ? to_tree(*batch) : TensorTree();
        },
        [](Napi::Env env, const TensorTree& batch) { return to_js(env, batch); });
  });
}

void BatchQueueHandle::finish(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] { resource()->queue->finish(); });
}

void BatchQueueHandle::fail_with(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] {
    // The caller that awaits the trainer receives the producer's own error; this one only ends the pass.
    auto code = error_code_of(string_of(info[1], "code")).value_or(ErrorCode::kInternal);
    // Of several processes, all would stop by themselves at a step that ends so.
    if (code == ErrorCode::kAborted || code == ErrorCode::kNonFiniteLoss) code = ErrorCode::kInternal;
    resource()->queue->fail(std::make_exception_ptr(Error(code, string_of(info[0], "message"))));
  });
}

void BatchQueueHandle::cancel(const Napi::CallbackInfo& info) {
  translate_exceptions(info.Env(), [&] {
    // The promise of a producer that waits for room resolves even if nothing else keeps the process alive.
    const auto completions = Runtime::of(info.Env()).completions();
    completions->begin(info.Env());
    resource()->queue->cancel();
    completions->post([completions](Napi::Env env) { completions->end(env); });
  });
}

Napi::Value new_batch_queue(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "options");
    const auto queue_options = ImageQueueOptions::from(options);
    auto images = std::make_shared<QueuedImages>();
    images->images = std::make_shared<ImageQueue>(queue_options);
    images->queue = images->images;
    images->image_values = 3 * queue_options.height * queue_options.width;
    images->set = {.kind = options.string("kind"),
                   .num_classes = queue_options.num_classes,
                   .size = options.integer("size"),
                   .image_size = ImageSize{queue_options.height, queue_options.width},
                   .open = [queue = images->queue, size = options.integer("size")](const BatchPlan& plan) {
                     queue->open(plan, size);
                     return queue;
                   }};
    Runtime::of(info.Env()).watch(images->queue);
    return BatchQueueHandle::create(info.Env(), images, 0);
  });
}

Napi::Value new_detection_queue(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "options");
    const auto evaluation = DetectionEvaluationHandle::unwrap(info[1]);
    const std::shared_ptr<const InstanceTable> truths(evaluation, &evaluation->table);
    auto images = std::make_shared<QueuedImages>();
    images->detection = std::make_shared<DetectionQueue>(truths, static_cast<size_t>(options.integer("ahead")));
    images->queue = images->detection;
    const auto category_ids = options.integers("categoryIds");
    images->set = {.kind = options.string("kind"),
                   .num_classes = static_cast<int64_t>(category_ids.size()),
                   .size = options.integer("size"),
                   .truths = truths,
                   .category_ids = category_ids,
                   .open = [queue = images->queue, size = options.integer("size")](const BatchPlan& plan) {
                     queue->open(plan, size);
                     return queue;
                   }};
    Runtime::of(info.Env()).watch(images->queue);
    return BatchQueueHandle::create(info.Env(), images, 0);
  });
}

Napi::Value data_order_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const int64_t size = integer_of(info[0], "size");
    if (size < 0 || size > std::numeric_limits<uint32_t>::max())
      fail(ErrorCode::kInvalidArgument, "invalid size: expected 0 to 2^32 - 1, received ", size, ".");
    return on_own_thread(
        info.Env(),
        [size, seed = static_cast<uint64_t>(integer_of(info[1], "seed")), epoch = integer_of(info[2], "epoch"),
         shuffle = info[3].ToBoolean().Value()] { return data_order(size, seed, epoch, shuffle); },
        [](Napi::Env env, const std::vector<int64_t>& order) -> Napi::Value {
          Napi::Uint32Array array = Napi::Uint32Array::New(env, order.size());
          std::copy(order.begin(), order.end(), array.Data());
          return array;
        });
  });
}

Napi::Value random_resized_crop_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Window window =
        random_resized_crop(static_cast<uint64_t>(integer_of(info[0], "seed")), integer_of(info[1], "epoch"),
                            integer_of(info[2], "index"), integer_of(info[3], "height"), integer_of(info[4], "width"),
                            ResizedCropOptions::from(options_of(info[5], "options")));
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("top", static_cast<double>(window.top));
    object.Set("left", static_cast<double>(window.left));
    object.Set("height", static_cast<double>(window.height));
    object.Set("width", static_cast<double>(window.width));
    object.Set("flip", window.flip);
    return object;
  });
}

}  // namespace reviewkd::binding
