#include "core/base/error.h"
#include "formats/little_endian.h"
#include "formats/safetensors/safetensors_header.h"

namespace reviewkd {
namespace {

// The format allows 100 MB; the largest published headers take a few MB. A lower limit bounds the memory of a hostile
// file.
constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;

}  // namespace

TensorTable read_safetensors_table(const ByteSource& source) {
  if (source.size() < kSafetensorsLengthBytes) {
    fail(ErrorCode::kFileCorrupt, "invalid safetensors file ", source.name(), ": expected at least 8 bytes, received ",
         source.size(), ".");
  }
  uint8_t length_bytes[kSafetensorsLengthBytes];
  source.read(0, length_bytes, kSafetensorsLengthBytes);
  const uint64_t length = little_endian<8>(length_bytes);
  const uint64_t rest = source.size() - kSafetensorsLengthBytes;
  if (length > kMaxHeaderBytes || length > rest) {
    fail(ErrorCode::kFileCorrupt, "invalid header of ", source.name(), ": expected one that fits the file's ",
         source.size(), " bytes, received ", length, " bytes. The file is truncated or not a safetensors file.");
  }
  std::string text(length, '\0');
  source.read(kSafetensorsLengthBytes, text.data(), length);
  SafetensorsHeader header = parse_safetensors_header(text, rest - length, source.name());

  TensorTable table;
  table.format = WeightsFormat::kSafetensors;
  table.metadata = std::move(header.metadata);
  for (auto& entry : header.entries) {
    if (!entry.type) {
      table.unread.push_back({std::move(entry.name), std::move(entry.type_name), true});
      continue;
    }
    std::vector<int64_t> strides = contiguous_strides(entry.shape);
    table.tensors.push_back(
        {std::move(entry.name), *entry.type, std::move(entry.shape), std::move(strides), table.storages.size(), 0});
    table.storages.push_back({kSafetensorsLengthBytes + length + entry.begin, entry.end - entry.begin});
  }
  return table;
}

}  // namespace reviewkd
