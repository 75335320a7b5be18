#include "core/data/sources/arrays.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "core/base/error.h"

namespace reviewkd {
namespace {

/// A tensor on the array's memory, which it keeps alive.
at::Tensor tensor_on(const NumberArray& array, at::IntArrayRef shape, at::ScalarType type) {
  // Tensors of data sets are only read.
  void* memory = const_cast<std::byte*>(array.bytes->data());
  return at::from_blob(memory, shape, [bytes = array.bytes](void*) {}, at::TensorOptions(type));
}

/// The index of the first NaN or infinity.
std::optional<size_t> first_nonfinite(const float* values, size_t count) {
  constexpr size_t kBlock = 4096;
  constexpr uint32_t kInfinity = 0x7f800000;
  for (size_t first = 0; first < count; first += kBlock) {
    const size_t last = std::min(count, first + kBlock);
    // By the bits of the exponent and without branches, so that several values are compared at a time.
    bool is_finite = true;
    for (size_t i = first; i < last; ++i) is_finite &= (std::bit_cast<uint32_t>(values[i]) & kInfinity) != kInfinity;
    if (is_finite) continue;
    return std::find_if(values + first, values + last, [](float value) { return !std::isfinite(value); }) - values;
  }
  return std::nullopt;
}

/// Throws INVALID_ARGUMENT unless all values of images are finite.
void check_values(const at::Tensor& images, const std::string& name) {
  if (images.scalar_type() != at::kFloat) return;
  const float* values = images.const_data_ptr<float>();
  const auto bad = first_nonfinite(values, images.numel());
  if (!bad) return;
  const auto image_values = static_cast<size_t>(images.numel() / images.size(0));
  fail(ErrorCode::kInvalidArgument, "invalid images: ", name, ".images[", *bad, "], a value of image ",
       *bad / image_values, ", is ", values[*bad], ": expected finite numbers. Correct the image or leave it out.");
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
  if (count == 0) {
    fail(ErrorCode::kShapeMismatch, "invalid ", split.path(),
         ": expected at least one image with its label, received none. Fill images and labels first.");
  }
  if (static_cast<int64_t>(images.size) != expected) {
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
  check_split(dataset.train, dataset.num_classes, "train", "train.labels");
  check_split(dataset.test, dataset.num_classes, "test", "test.labels");
  check_values(dataset.train.images, "train");
  check_values(dataset.test.images, "test");
  const bool is_bytes = dataset.train.images.scalar_type() == at::kByte;
  if (is_bytes && !source.has("normalization")) dataset.normalization = measure(dataset.train.images);
  return dataset;
}

}  // namespace reviewkd
