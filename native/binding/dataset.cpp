#include "binding/dataset.h"

#include "binding/async.h"
#include "binding/tensor.h"
#include "core/data/idx.h"
#include "core/registry.h"

namespace reviewkd::binding {
namespace {

int64_t bytes_of(const Dataset& dataset) {
  int64_t bytes = 0;
  for (const Split* split : {&dataset.train, &dataset.test}) bytes += static_cast<int64_t>(split->images.nbytes() + split->labels.nbytes());
  return bytes;
}

struct Limits {
  std::optional<int64_t> train;
  std::optional<int64_t> test;
  std::optional<Normalization> normalization;
};

}  // namespace

Normalization normalization_of(const Options& options) {
  Normalization result;
  for (const auto& [field, target] : {std::pair{"mean", &result.mean}, std::pair{"std", &result.std}}) {
    const Napi::Value value = options.value(field);
    if (!value.IsArray() || value.As<Napi::Array>().Length() != 3) fail(ErrorCode::kInvalidArgument, "expected three numbers for normalization.", field);
    for (uint32_t i = 0; i < 3; ++i) (*target)[i] = number_of(value.As<Napi::Array>().Get(i), std::string("normalization.") + field);
  }
  return result;
}

namespace {

Limits limits_of(const Options& source) {
  Limits limits;
  if (source.has("limitTrain")) limits.train = source.integer("limitTrain");
  if (source.has("limitTest")) limits.test = source.integer("limitTest");
  if (source.has("normalization")) limits.normalization = normalization_of(source.options("normalization"));
  return limits;
}

/// A split from typed arrays that TypeScript has brought into form: bytes or floats, and labels as BigInt64Array.
Split split_from(const Options& options, const std::string& name, int64_t height, int64_t width) {
  const Napi::Value images = options.value("images");
  const Napi::Value labels = options.value("labels");
  if (!images.IsTypedArray() || !labels.IsTypedArray()) fail(ErrorCode::kInvalidArgument, "expected typed arrays for the images and labels of ", name);
  const auto pixels = images.As<Napi::TypedArray>();
  const auto numbers = labels.As<Napi::TypedArray>();
  const bool bytes = pixels.TypedArrayType() == napi_uint8_array;
  if ((!bytes && pixels.TypedArrayType() != napi_float32_array) || numbers.TypedArrayType() != napi_bigint64_array) {
    fail(ErrorCode::kDtypeMismatch, "expected Uint8Array or Float32Array images and BigInt64Array labels for ", name);
  }
  const auto count = static_cast<int64_t>(numbers.ElementLength());
  const auto expected = count * 3 * height * width;
  if (count == 0 || static_cast<int64_t>(pixels.ElementLength()) != expected) {
    fail(ErrorCode::kShapeMismatch, "expected ", expected, " values (", count, " images of 3×", height, "×", width, ") for the images of ",
         name, ", got ", pixels.ElementLength());
  }
  Split split{at::empty({count, 3, height, width}, bytes ? at::kByte : at::kFloat), at::empty({count}, at::kLong)};
  const auto copy = [](const Napi::TypedArray& from, at::Tensor& to) {
    std::memcpy(to.mutable_data_ptr(), static_cast<const uint8_t*>(from.ArrayBuffer().Data()) + from.ByteOffset(), from.ByteLength());
  };
  copy(pixels, split.images);
  copy(numbers, split.labels);
  return split;
}

/// The field "classNames"; where it is absent, the classes' numbers.
std::vector<std::string> names_of(const Options& source) {
  std::vector<std::string> names;
  const Napi::Value given = source.value("classNames");
  if (given.IsArray()) {
    const auto array = given.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) names.push_back(string_of(array.Get(i), "classNames"));
  } else {
    for (int64_t i = 0; i < source.integer("numClasses"); ++i) names.push_back(std::to_string(i));
  }
  return names;
}

Dataset arrays_from(const Options& source) {
  Dataset dataset;
  dataset.kind = "arrays";
  dataset.num_classes = source.integer("numClasses");
  const int64_t height = source.integer("height");
  const int64_t width = source.integer("width");
  dataset.train = split_from(source.options("train"), "train", height, width);
  dataset.test = split_from(source.options("test"), "test", height, width);
  if (dataset.train.images.scalar_type() != dataset.test.images.scalar_type()) {
    fail(ErrorCode::kDtypeMismatch, "expected one kind of pixels for train and test, got two");
  }
  dataset.class_names = names_of(source);
  return dataset;
}

IdxFile idx_file_of(const Options& options, const char* field) {
  const Options file = options.options(field);
  const Napi::Value bytes = file.value("bytes");
  if (!bytes.IsTypedArray() || bytes.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    fail(ErrorCode::kDtypeMismatch, "expected a Uint8Array for the bytes of ", field);
  }
  const auto array = bytes.As<Napi::Uint8Array>();
  return {file.string("name"), {array.Data(), array.Data() + array.ElementLength()}};
}

IdxFiles idx_files_of(const Options& options) { return {idx_file_of(options, "images"), idx_file_of(options, "labels")}; }

/// Checks arrays and measures them where no normalization was given. Off JavaScript's thread.
void finish_arrays(Dataset& dataset, bool normalized) {
  check_split(dataset.train, dataset.num_classes, "train");
  check_split(dataset.test, dataset.num_classes, "test");
  if (normalized) return;
  const bool bytes = dataset.train.images.scalar_type() == at::kByte;
  dataset.normalization = bytes ? measure(dataset.train.images) : Normalization{{0, 0, 0}, {1, 1, 1}};
}

std::shared_ptr<const LoadedDataset> limited(Dataset dataset, const Limits& limits) {
  dataset.train = reviewkd::limited(dataset.train, limits.train);
  dataset.test = reviewkd::limited(dataset.test, limits.test);
  if (limits.normalization) dataset.normalization = *limits.normalization;
  return std::make_shared<const LoadedDataset>(std::move(dataset));
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
  fail(ErrorCode::kInvalidArgument, "expected train or test for the split, got \"", name, "\"");
}

Napi::Value to_js_batch(Napi::Env env, const std::optional<Batch>& batch) {
  if (!batch) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  object.Set("images", TensorHandle::from(env, batch->images));
  object.Set("labels", TensorHandle::from(env, batch->targets.labels()));
  return object;
}

void DatasetHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("describe", &DatasetHandle::describe), InstanceMethod("batches", &DatasetHandle::batches));
}

Napi::Value DatasetHandle::describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const auto dataset = resource()->data;
    const auto numbers = [&](const std::array<double, 3>& values) { return to_array(env, std::vector<double>(values.begin(), values.end())); };
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

BatchPlan batch_plan_of(const Options& options) {
  BatchPlan plan;
  plan.batch_size = options.integer("batchSize");
  plan.seed = static_cast<uint64_t>(options.integer("seed"));
  plan.epoch = options.integer("epoch");
  plan.shuffle = options.boolean("shuffle");
  plan.augment = options.boolean("augment");
  return plan;
}

Napi::Value DatasetHandle::batches(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto dataset = resource()->data;
    const Split& split = split_of(*dataset, string_of(info[0], "split"));
    const Options options(info[1], "options");
    BatchPlan plan = batch_plan_of(options);
    plan.smallest_batch = options.boolean("dropLast") ? plan.batch_size : 1;
    plan.first_batch = options.integer("firstBatch");
    return BatchReaderHandle::create(info.Env(), std::make_shared<BatchLoader>(dataset, split, plan), 0);
  });
}

void BatchReaderHandle::define(Napi::Env env) { Handle::define(env, InstanceMethod("next", &BatchReaderHandle::next)); }

Napi::Value BatchReaderHandle::next(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(), [source = resource()] { return source->next(); },
        to_js_batch);
  });
}

Napi::Value load_dataset(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Options source(info[0], "source");
    const Limits limits = limits_of(source);
    const auto& thread = Runtime::of(info.Env()).background();
    if (source.string("kind") == "arrays") {
      return run_async(
          info.Env(), thread,
          [dataset = arrays_from(source), limits]() mutable {
            finish_arrays(dataset, limits.normalization.has_value());
            return limited(std::move(dataset), limits);
          },
          to_handle);
    }
    if (source.string("kind") == "idx") {
      const IdxOptions options{.num_classes = source.integer("numClasses"), .pad_to = source.has("padTo") ? source.integer("padTo") : 0};
      return run_async(
          info.Env(), thread,
          [train = idx_files_of(source.options("train")), test = idx_files_of(source.options("test")), options, limits,
           names = names_of(source)] {
            Dataset dataset = read_idx(train, test, options);
            dataset.class_names = names;
            return limited(std::move(dataset), limits);
          },
          to_handle);
    }
    DatasetOptions options;
    if (source.has("root")) options.root = source.string("root");
    if (source.has("numClasses")) options.num_classes = source.integer("numClasses");
    if (source.has("trainSamples")) options.train_samples = source.integer("trainSamples");
    if (source.has("testSamples")) options.test_samples = source.integer("testSamples");
    if (source.has("seed")) options.seed = static_cast<uint64_t>(source.integer("seed"));
    return run_async(
        info.Env(), thread, [kind = source.string("kind"), options, limits] { return limited(find_dataset(kind).load(options), limits); },
        to_handle);
  });
}

}  // namespace reviewkd::binding
