#include "core/data/sources/cifar.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/base/error.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCifarSide = 32;
constexpr int64_t kCifarPixels = 3 * kCifarSide * kCifarSide;

/// One record: `label_bytes` labels, one of which is the training label, then red, green and blue planes.
struct Layout {
  const char* kind;
  int64_t num_classes;
  int64_t label_bytes;
  int64_t label_index;
  std::vector<std::string> train_files;
  std::vector<std::string> test_files;
  const char* names_file;
};

// Statistics of the official code, which gives mean and standard deviation in pixel values of 0 to 255.
constexpr Normalization kCifarNormalization = {{125.3 / 255, 123.0 / 255, 113.9 / 255},
                                               {63.0 / 255, 62.1 / 255, 66.7 / 255}};

int64_t record_count(const fs::path& path, int64_t record_bytes, const char* kind) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    fail(missing ? ErrorCode::kFileNotFound : ErrorCode::kFileAccess, "cannot read the file ",
         platform::utf8_of(path.filename()), " of ", kind, " in ", platform::utf8_of(path.parent_path()), ": ",
         platform::reason_of(error), ". `reviewkd data fetch ", kind, "` downloads the data set.");
  }
  if (bytes == 0 || bytes % record_bytes != 0) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", platform::utf8_of(path), ": expected a multiple of ", record_bytes,
         " bytes, received ", bytes, ". The file is truncated or not the binary version of ", kind, ".");
  }
  return static_cast<int64_t>(bytes) / record_bytes;
}

void read_records(const fs::path& path, int64_t count, const Layout& layout, uint8_t* images, int64_t* labels) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> record(layout.label_bytes + kCifarPixels);
  for (int64_t i = 0; i < count; ++i) {
    if (!file.read(record.data(), static_cast<std::streamsize>(record.size()))) {
      fail(ErrorCode::kFileAccess, "cannot read record ", i, " of ", count, " from ", platform::utf8_of(path), ".");
    }
    const auto label = static_cast<uint8_t>(record[layout.label_index]);
    if (label >= layout.num_classes) {
      fail(ErrorCode::kLabelOutOfRange, "invalid label of record ", i, " in ", platform::utf8_of(path),
           ": expected 0 to ", layout.num_classes - 1, ", received ", static_cast<int>(label), ".");
    }
    labels[i] = label;
    std::memcpy(images + i * kCifarPixels, record.data() + layout.label_bytes, kCifarPixels);
  }
}

Split read_split(const fs::path& root, const std::vector<std::string>& files, const Layout& layout) {
  std::vector<int64_t> counts;
  int64_t total = 0;
  for (const auto& name : files) {
    counts.push_back(record_count(root / name, layout.label_bytes + kCifarPixels, layout.kind));
    total += counts.back();
  }
  Split split{at::empty({total, 3, kCifarSide, kCifarSide}, at::kByte), at::empty({total}, at::kLong)};
  int64_t done = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    read_records(root / files[i], counts[i], layout, split.images.data_ptr<uint8_t>() + done * kCifarPixels,
                 split.labels.data_ptr<int64_t>() + done);
    done += counts[i];
  }
  return split;
}

/// Reads one name per line; defaults to the class numbers if the file is missing.
std::vector<std::string> read_names(const fs::path& path, int64_t num_classes) {
  std::vector<std::string> names;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (!file.is_open()) {
    for (int64_t i = 0; i < num_classes; ++i) names.push_back(std::to_string(i));
  }
  if (static_cast<int64_t>(names.size()) != num_classes) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", platform::utf8_of(path), ": expected ", num_classes,
         " class names, one per line, received ", names.size(), ". Fix the file, or remove it to number the classes.");
  }
  return names;
}

Dataset load(const Layout& layout, const Options& source) {
  const fs::path root = platform::path_of(source.string("root"));
  return {
      .kind = layout.kind,
      .num_classes = layout.num_classes,
      .class_names = read_names(root / layout.names_file, layout.num_classes),
      .normalization = kCifarNormalization,
      .train = read_split(root, layout.train_files, layout),
      .test = read_split(root, layout.test_files, layout),
  };
}

}  // namespace

Dataset load_cifar10(const Options& source) {
  return load({.kind = "cifar10",
               .num_classes = 10,
               .label_bytes = 1,
               .label_index = 0,
               .train_files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                               "data_batch_5.bin"},
               .test_files = {"test_batch.bin"},
               .names_file = "batches.meta.txt"},
              source);
}

Dataset load_cifar100(const Options& source) {
  bool is_coarse = false;
  source.read("labels", is_coarse, {{"fine", false}, {"coarse", true}});
  return load({.kind = "cifar100",
               .num_classes = is_coarse ? 20 : 100,
               .label_bytes = 2,
               .label_index = is_coarse ? 0 : 1,
               .train_files = {"train.bin"},
               .test_files = {"test.bin"},
               .names_file = is_coarse ? "coarse_label_names.txt" : "fine_label_names.txt"},
              source);
}

}  // namespace reviewkd
