#include "core/data/sources/arrays.h"

#include "core/base/error.h"

namespace reviewkd {
namespace {

/// A tensor on the array's memory, which it keeps alive.
at::Tensor tensor_on(const NumberArray& array, at::IntArrayRef shape, at::ScalarType type) {
  // Tensors of data sets are only read.
  void* memory = const_cast<std::byte*>(array.bytes->data());
  return at::from_blob(memory, shape, [bytes = array.bytes](void*) {}, at::TensorOptions(type));
}

Split split_from(const Options& split, int64_t height, int64_t width) {
  const NumberArray images = split.array("images");
  const NumberArray labels = split.array("labels");
  const bool is_bytes = images.type == NumberArray::Type::kUint8;
  if ((!is_bytes && images.type != NumberArray::Type::kFloat32) || labels.type != NumberArray::Type::kInt64) {
    fail(
        ErrorCode::kDtypeMismatch, "invalid ", split.path(),
        ": expected Uint8Array or Float32Array images and BigInt64Array labels, received typed arrays of other types.");
  }
  const auto count = static_cast<int64_t>(labels.size);
  const int64_t expected = count * 3 * height * width;
  if (count == 0 || static_cast<int64_t>(images.size) != expected) {
    fail(ErrorCode::kShapeMismatch, "invalid ", split.path("images"), ": expected ", expected, " values (", count,
         " images of 3×", height, "×", width, "), received ", images.size, ".");
  }
  return {tensor_on(images, {count, 3, height, width}, is_bytes ? at::kByte : at::kFloat),
          tensor_on(labels, {count}, at::kLong)};
}

}  // namespace

Dataset load_arrays(const Options& source) {
  const int64_t height = source.integer("height");
  const int64_t width = source.integer("width");
  Dataset dataset{.kind = "arrays",
                  .num_classes = source.integer("numClasses"),
                  .class_names = {},
                  .normalization = {{0, 0, 0}, {1, 1, 1}},
                  .train = split_from(source.options("train"), height, width),
                  .test = split_from(source.options("test"), height, width)};
  if (dataset.train.images.scalar_type() != dataset.test.images.scalar_type()) {
    fail(ErrorCode::kDtypeMismatch, "invalid ", source.path("test"),
         ": expected images of the same array type as those of train, received another one.");
  }
  check_split(dataset.train, dataset.num_classes, "train");
  check_split(dataset.test, dataset.num_classes, "test");
  const bool is_bytes = dataset.train.images.scalar_type() == at::kByte;
  if (is_bytes && !source.has("normalization")) dataset.normalization = measure(dataset.train.images);
  return dataset;
}

}  // namespace reviewkd
