#include "core/data/sources/idx.h"

#include <algorithm>

#include "core/base/error.h"

namespace reviewkd {
namespace {

/// Parses a file's header: two zeros, a type (8: unsigned bytes), the number of dimensions, their lengths
/// (big-endian).
std::vector<int64_t> idx_shape(const IdxFile& file, size_t dimensions, const char* what) {
  const auto bytes = file.bytes();
  const size_t header = 4 + 4 * dimensions;
  const std::array<uint8_t, 4> magic = {0, 0, 8, static_cast<uint8_t>(dimensions)};
  if (bytes.size() < header) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", file.name, ": expected a header of ", header,
         " bytes, received a file of ", bytes.size(), ". It is truncated; download it again.");
  }
  if (!std::equal(magic.begin(), magic.end(), bytes.begin())) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", file.name, ": expected the magic number 0 0 8 ", dimensions,
         " of IDX ", what, ", received ", int{bytes[0]}, " ", int{bytes[1]}, " ", int{bytes[2]}, " ", int{bytes[3]},
         ". It is another kind of file.");
  }
  std::vector<int64_t> shape;
  int64_t count = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    const uint8_t* length = bytes.data() + 4 + 4 * i;
    shape.push_back(int64_t{length[0]} << 24 | int64_t{length[1]} << 16 | int64_t{length[2]} << 8 | int64_t{length[3]});
    if (shape.back() < 1 || __builtin_mul_overflow(count, shape.back(), &count)) {
      fail(ErrorCode::kFileCorrupt, "invalid header of ", file.name, ": expected lengths of 1 or more, received ",
           at::IntArrayRef(shape), ".");
    }
  }
  const auto found = static_cast<int64_t>(bytes.size() - header);
  if (found != count) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", file.name, ": expected ", count,
         " bytes after the header for shape ", at::IntArrayRef(shape), ", received ", found,
         found < count ? ". It is truncated; download it again." : ".");
  }
  return shape;
}

/// Copies grey images into the middle of three equal black planes.
at::Tensor idx_images(const IdxFile& file, const std::vector<int64_t>& shape, int64_t pad_to) {
  const int64_t rows = shape[1];
  const int64_t columns = shape[2];
  if (pad_to > 0 && std::max(rows, columns) > pad_to) {
    fail(ErrorCode::kShapeMismatch, "invalid padTo: expected at least the size of the images in ", file.name, ", ",
         rows, "×", columns, ", received ", pad_to, ".");
  }
  const int64_t height = pad_to > 0 ? pad_to : rows;
  const int64_t width = pad_to > 0 ? pad_to : columns;
  at::Tensor images = at::zeros({shape[0], 3, height, width}, at::kByte);
  const uint8_t* source = file.bytes().data() + 16;
  uint8_t* target = images.data_ptr<uint8_t>() + (height - rows) / 2 * width + (width - columns) / 2;
  for (int64_t image = 0; image < shape[0]; ++image) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      for (int64_t row = 0; row < rows; ++row) {
        std::copy_n(source + (image * rows + row) * columns, columns,
                    target + ((image * 3 + channel) * height + row) * width);
      }
    }
  }
  return images;
}

Split idx_split(const IdxFiles& files, const IdxOptions& options) {
  const auto shape = idx_shape(files.images, 3, "images");
  const auto labels = idx_shape(files.labels, 1, "labels");
  if (labels[0] != shape[0]) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", files.labels.name, ": expected ", shape[0],
         " labels for the images of ", files.images.name, ", received ", labels[0], ".");
  }
  Split split{idx_images(files.images, shape, options.pad_to), at::empty({shape[0]}, at::kLong)};
  std::copy(files.labels.bytes().begin() + 8, files.labels.bytes().end(), split.labels.data_ptr<int64_t>());
  check_split(split, options.num_classes, files.labels.name);
  return split;
}

}  // namespace

IdxFile IdxFile::from(const Options& file) {
  IdxFile result{file.string("name"), file.array("bytes")};
  if (result.content.type != NumberArray::Type::kUint8) {
    fail(ErrorCode::kDtypeMismatch, "invalid ", file.path("bytes"),
         ": expected a Uint8Array, received another typed array.");
  }
  return result;
}

std::span<const uint8_t> IdxFile::bytes() const {
  return {reinterpret_cast<const uint8_t*>(content.bytes->data()), content.size};
}

IdxFiles IdxFiles::from(const Options& split) {
  return {.images = IdxFile::from(split.options("images")), .labels = IdxFile::from(split.options("labels"))};
}

IdxOptions IdxOptions::from(const Options& source) {
  IdxOptions options{.num_classes = source.integer("numClasses")};
  source.read("padTo", options.pad_to);
  return options;
}

Dataset read_idx(const IdxFiles& train, const IdxFiles& test, const IdxOptions& options) {
  Dataset dataset{.kind = "idx",
                  .num_classes = options.num_classes,
                  .class_names = {},
                  .normalization = {},
                  .train = idx_split(train, options),
                  .test = idx_split(test, options)};
  if (dataset.train.images.sizes().slice(1) != dataset.test.images.sizes().slice(1)) {
    fail(ErrorCode::kShapeMismatch, "invalid images: expected one size in ", train.images.name, " and ",
         test.images.name, ", received ", dataset.train.height(), "×", dataset.train.width(), " and ",
         dataset.test.height(), "×", dataset.test.width(), ".");
  }
  dataset.normalization = measure(dataset.train.images);
  return dataset;
}

}  // namespace reviewkd
