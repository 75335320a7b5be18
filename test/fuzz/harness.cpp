#include "harness.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "formats/coco/mask_overlap.h"
#include "formats/coco/mask_shapes.h"
#include "formats/pickle/pickled_file.h"
#include "formats/pytorch/pytorch_file.h"
#include "formats/safetensors/safetensors_header.h"
#include "formats/utf8.h"
#include "formats/weights/state_dict_picker.h"
#include "formats/weights/weights_table.h"

namespace reviewkd::fuzz {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "expected %s\n", what);
  std::abort();
}

/// Whether every element is within the storage; computed in 128 bits, independently of the readers' own arithmetic.
void check_tensor(const ByteSource& source, const TensorTable& table, const StoredTensor& tensor) {
  require(tensor.storage < table.storages.size(), "a storage of the table");
  require(tensor.shape.size() == tensor.strides.size(), "a stride for each dimension");
  require(tensor.offset >= 0, "an offset that is not negative");
  const FileRange& storage = table.storages[tensor.storage];
  __int128 last = tensor.offset;
  bool is_empty = false;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    require(tensor.shape[i] >= 0 && tensor.strides[i] >= 0, "lengths and strides that are not negative");
    is_empty = is_empty || tensor.shape[i] == 0;
    if (tensor.shape[i] > 0) last += static_cast<__int128>(tensor.shape[i] - 1) * tensor.strides[i];
  }
  if (is_empty) return;
  const auto bytes = static_cast<__int128>(bytes_of(tensor.type));
  require((last + 1) * bytes <= static_cast<__int128>(content_bytes(storage)), "elements within the storage");
  if (storage.encoding != TextEncoding::kNone) {
    std::string content(content_bytes(storage), '\0');
    return read_content(source, storage, content.data());
  }
  // The first and the last element must be readable.
  char element[8];
  source.read(storage.begin + static_cast<uint64_t>(tensor.offset) * bytes_of(tensor.type), element,
              bytes_of(tensor.type));
  source.read(storage.begin + static_cast<uint64_t>(last * bytes), element, bytes_of(tensor.type));
}

void check_table(const ByteSource& source, const TensorTable& table) {
  for (const auto& storage : table.storages)
    require(source.holds(storage.begin, storage.bytes), "storages within the file");
  std::set<std::string_view> names;
  for (const auto& tensor : table.tensors) {
    require(names.insert(tensor.name).second, "each name once");
    require(is_utf8(tensor.name), "names in UTF-8");
    check_tensor(source, table, tensor);
  }
  for (const auto& value : table.unread) require(is_utf8(value.name) && is_utf8(value.type), "unread values in UTF-8");
  for (const auto& [key, value] : table.metadata) require(is_utf8(key) && is_utf8(value), "metadata in UTF-8");
}

TensorTable read(const std::string& reader, const ByteSource& source) {
  if (reader == "safetensors") return read_safetensors_table(source);
  if (reader == "zip") return pick_state_dict(read_pytorch_zip(source), source, "");
  if (reader == "legacy") return pick_state_dict(read_pytorch_legacy(source), source, "");
  if (reader == "numpy") return pick_state_dict(read_numpy_pickle(source), source, "");
  require(reader == "any", "safetensors, zip, legacy, numpy or any for the reader");
  return read_weights_table(source, {.key = "", .network = false});
}

/// The pixels of the largest mask that is decoded here, so that each input takes little time.
constexpr int64_t kMostFuzzedPixels = 1 << 16;

/// A mask from bytes: its form, height and width (16 bits each), then a string, runs or polygons of 64-bit numbers.
RunLengthMask read_mask(const uint8_t* data, size_t size) {
  if (size < 5) fail(ErrorCode::kInvalidArgument, "invalid mask: expected at least 5 bytes.");
  const int64_t height = data[1] | data[2] << 8, width = data[3] | data[4] << 8;
  const uint8_t form = data[0] % 3;
  data += 5;
  size -= 5;
  if (form == 0) return mask_of_string({reinterpret_cast<const char*>(data), size}, height, width, "mask");
  std::vector<double> numbers(size / sizeof(double));
  if (!numbers.empty()) std::memcpy(numbers.data(), data, numbers.size() * sizeof(double));
  if (form == 1) return mask_of_counts(numbers, height, width, "mask");
  return mask_of_polygons(split_polygons(numbers, "mask"), height, width, "mask");
}

void check_mask(const RunLengthMask& mask) {
  int64_t pixels = 0;
  for (const uint32_t count : mask.counts) pixels += count;
  require(pixels == mask.height * mask.width, "runs of all pixels");
  require(mask_of_string(string_of_mask(mask), mask.height, mask.width, "mask").counts == mask.counts,
          "the same runs from the string of a mask");
  const int64_t area = mask_area(mask);
  const XywhBox box = mask_box(mask);
  require(area <= static_cast<int64_t>(box.width * box.height), "an area within the box");
  require(box.x >= 0 && box.y >= 0 && box.x + box.width <= static_cast<double>(mask.width) &&
              box.y + box.height <= static_cast<double>(mask.height),
          "a box within the image");
  require(mask_overlap(MeasuredMask(mask), MeasuredMask(mask), false) == (area > 0 ? 1 : 0), "a mask equal to itself");
  const RunLengthMask merged = merge_masks({mask, mask}, MaskMerge::kUnion);
  require(mask_area(merged) == area, "a union of the same pixels");
  if (mask.pixels() > kMostFuzzedPixels) return;
  std::vector<uint8_t> decoded(static_cast<size_t>(mask.pixels()));
  decode_mask(mask, decoded.data());
  require(encode_mask(decoded.data(), mask.height, mask.width).counts == merged.counts,
          "the same pixels after decoding");
}

bool run_mask(const uint8_t* data, size_t size) {
  try {
    check_mask(read_mask(data, size));
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kInvalidArgument, "INVALID_ARGUMENT for a refusal");
    return false;
  }
  return true;
}

}  // namespace

bool run(const std::string& reader, const uint8_t* data, size_t size) {
  if (reader == "coco-mask") return run_mask(data, size);
  const MemorySource source("input", data, size);
  try {
    TensorTable table = read(reader, source);
    check_table(source, table);
    keep_network(table);
    check_table(source, table);
    check_expansion(table, source);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kFileCorrupt || error.code() == ErrorCode::kFileUnsupported,
            "FILE_CORRUPT or FILE_UNSUPPORTED for a refusal");
    return false;
  }
  return true;
}

}  // namespace reviewkd::fuzz
