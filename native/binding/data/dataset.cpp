#include "binding/data/dataset.h"

#include "binding/objects/tensor.h"
#include "binding/support/async.h"
#include "core/data/sources/registry.h"
#include "core/io/checksum.h"

namespace reviewkd::binding {
namespace {

int64_t bytes_of(const Dataset& dataset) {
  int64_t bytes = 0;
  for (const Split* split : {&dataset.train, &dataset.test})
    bytes += static_cast<int64_t>(split->images.nbytes() + split->labels.nbytes());
  return bytes;
}

Napi::Value to_handle(Napi::Env env, const std::shared_ptr<const LoadedDataset>& dataset) {
  return DatasetHandle::create(env, dataset, bytes_of(*dataset->data));
}

Napi::Object describe_split(Napi::Env env, const Split& split) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("size", static_cast<double>(split.size()));
  object.Set("height", static_cast<double>(split.height()));
  object.Set("width", static_cast<double>(split.width()));
  return object;
}

}  // namespace

const Split& split_of(const Dataset& dataset, const std::string& name) {
  if (name == "train") return dataset.train;
  if (name == "test") return dataset.test;
  fail(ErrorCode::kInvalidArgument, "invalid split: expected train or test, received \"", name, "\".");
}

Napi::Value to_js_batch(Napi::Env env, const std::optional<Batch>& batch) {
  if (!batch) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  object.Set("images", TensorHandle::from(env, batch->images));
  object.Set("labels", TensorHandle::from(env, batch->targets.labels()));
  return object;
}

void DatasetHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("describe", &DatasetHandle::describe),
                 InstanceMethod("batches", &DatasetHandle::batches),
                 InstanceMethod("checksum", &DatasetHandle::checksum));
}

Napi::Value DatasetHandle::describe(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const auto dataset = resource()->data;
    const auto numbers = [&](const std::array<double, 3>& values) {
      return to_array(env, std::vector<double>(values.begin(), values.end()));
    };
    Napi::Object normalization = Napi::Object::New(env);
    normalization.Set("mean", numbers(dataset->normalization.mean));
    normalization.Set("std", numbers(dataset->normalization.std));
    Napi::Object object = Napi::Object::New(env);
    object.Set("kind", dataset->kind);
    object.Set("numClasses", static_cast<double>(dataset->num_classes));
    object.Set("classNames", to_array(env, dataset->class_names));
    object.Set("normalization", normalization);
    object.Set("train", describe_split(env, dataset->train));
    object.Set("test", describe_split(env, dataset->test));
    return object;
  });
}

Napi::Value DatasetHandle::batches(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto dataset = resource()->data;
    const Split& split = split_of(*dataset, string_of(info[0], "split"));
    const BatchPlan plan = BatchPlan::from(options_of(info[1], "options"));
    return BatchReaderHandle::create(info.Env(), std::make_shared<BatchLoader>(dataset, split, plan), 0);
  });
}

Napi::Value DatasetHandle::checksum(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [dataset = resource()->data, name = string_of(info[0], "split")] {
          const Split& split = split_of(*dataset, name);
          if (split.size() == 0) return std::string("0");
          const at::Tensor images = split.images.contiguous(), labels = split.labels.contiguous();
          return std::to_string(
              crc32(labels.const_data_ptr(), labels.nbytes(), crc32(images.const_data_ptr(), images.nbytes())));
        },
        [](Napi::Env env, const std::string& sum) -> Napi::Value { return Napi::String::New(env, sum); });
  });
}

void BatchReaderHandle::define(Napi::Env env) { Handle::define(env, InstanceMethod("next", &BatchReaderHandle::next)); }

Napi::Value BatchReaderHandle::next(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(), [source = resource()] { return source->next(); },
        to_js_batch);
  });
}

Napi::Value load_dataset(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [source = options_of(info[0], "source")] {
          return std::make_shared<const LoadedDataset>(reviewkd::load_dataset(source));
        },
        to_handle);
  });
}

}  // namespace reviewkd::binding
