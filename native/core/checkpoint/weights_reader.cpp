#include "core/checkpoint/weights_reader.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string_view>
#include <unordered_set>

#include "core/base/error.h"
#include "core/io/checksum.h"

namespace reviewkd {
namespace {

struct TypePair {
  ElementType stored;
  at::ScalarType scalar;
};

constexpr std::array<TypePair, 10> kTypes = {{
    {ElementType::kFloat64, at::kDouble},
    {ElementType::kFloat32, at::kFloat},
    {ElementType::kFloat16, at::kHalf},
    {ElementType::kBFloat16, at::kBFloat16},
    {ElementType::kInt64, at::kLong},
    {ElementType::kInt32, at::kInt},
    {ElementType::kInt16, at::kShort},
    {ElementType::kInt8, at::kChar},
    {ElementType::kUInt8, at::kByte},
    {ElementType::kBool, at::kBool},
}};

constexpr uint64_t kPiece = uint64_t{256} << 10;

/// Reads a range in pieces that stay in the cache for their checksum, and verifies it. `target_of` returns the memory
/// for the piece at an offset.
template <typename Target>
void read_checked(const ByteSource& source, const FileRange& range, Target target_of) {
  uint32_t sum = 0;
  for (uint64_t done = 0; done < range.bytes; done += kPiece) {
    const uint64_t bytes = std::min(kPiece, range.bytes - done);
    char* const target = target_of(done);
    source.read(range.begin + done, target, bytes);
    sum = crc32(target, bytes, sum);
  }
  if (sum == range.crc32) return;
  fail(ErrorCode::kFileCorrupt, "invalid checksum in ", source.name(), ": the ", range.bytes, " bytes at byte ",
       range.begin, " do not match the stored one. The file is damaged; download or save it again.");
}

void read_range(const ByteSource& source, const FileRange& range, char* target) {
  if (range.crc32 == 0) return read_content(source, range, target);
  read_checked(source, range, [&](uint64_t done) { return target + done; });
}

/// Only one piece is in memory, because arrays may be part of the description.
void check_description(const ByteSource& source, const FileRange& range) {
  if (range.crc32 == 0) return;
  std::string piece(std::min(kPiece, range.bytes), '\0');
  read_checked(source, range, [&](uint64_t) { return piece.data(); });
}

/// The storages that tensors lie in, read in the order of the file.
std::vector<at::Tensor> read_storages(const ByteSource& source, const TensorTable& table) {
  std::vector<at::Tensor> storages(table.storages.size());
  std::vector<size_t> order;
  for (const auto& tensor : table.tensors) {
    if (element_count(tensor.shape) > 0) order.push_back(tensor.storage);
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return table.storages[a].begin < table.storages[b].begin; });
  order.erase(std::unique(order.begin(), order.end()), order.end());
  for (const size_t index : order) {
    const FileRange& range = table.storages[index];
    storages[index] = at::empty({static_cast<int64_t>(content_bytes(range))}, at::kByte);
    read_range(source, range, static_cast<char*>(storages[index].mutable_data_ptr()));
  }
  return storages;
}

at::Tensor tensor_of(const StoredTensor& stored, const std::vector<at::Tensor>& storages) {
  const at::ScalarType type = scalar_type(stored.type);
  if (element_count(stored.shape) == 0) return at::empty(stored.shape, type);
  return at::empty({0}, type).set_(storages[stored.storage].storage(), stored.offset, stored.shape, stored.strides);
}

/// A file or several shards, and the table of their tensors.
struct OpenWeights {
  std::unique_ptr<ByteSource> source;
  TensorTable table;
  /// Of each file that has a checksum for it.
  std::vector<FileRange> descriptions;
};

/// Adds a shard's table to that of all, whose ranges count from the first byte of the first shard.
void append(OpenWeights& all, TensorTable shard, uint64_t begin) {
  const size_t first = all.table.storages.size();
  all.table.format = shard.format;
  all.table.metadata.merge(shard.metadata);
  for (FileRange storage : shard.storages) {
    storage.begin += begin;
    all.table.storages.push_back(storage);
  }
  for (StoredTensor& tensor : shard.tensors) {
    tensor.storage += first;
    all.table.tensors.push_back(std::move(tensor));
  }
  all.table.unread.insert(all.table.unread.end(), shard.unread.begin(), shard.unread.end());
  shard.description.begin += begin;
  all.descriptions.push_back(shard.description);
}

void check_names(const TensorTable& table, const std::string& name) {
  std::unordered_set<std::string_view> names;
  for (const auto& tensor : table.tensors) {
    if (names.insert(tensor.name).second) continue;
    fail(ErrorCode::kFileCorrupt, "invalid shards of ", name, ": expected each tensor in one of them, received ",
         tensor.name, " in two. Download or save them again.");
  }
}

OpenWeights open(const WeightsPath& path, const WeightsRequest& request) {
  if (path.shards.empty()) {
    auto file = std::make_unique<FileSource>(path.name);
    TensorTable table = read_weights_table(*file, request);
    const FileRange description = table.description;
    return {std::move(file), std::move(table), {description}};
  }
  std::vector<std::unique_ptr<ByteSource>> files;
  files.reserve(path.shards.size());
  for (const auto& shard : path.shards) files.push_back(std::make_unique<FileSource>(shard));
  auto list = std::make_unique<SourceList>(path.name, std::move(files));
  OpenWeights all;
  for (size_t i = 0; i < list->count(); ++i) {
    append(all, read_weights_table(list->part(i), {.key = "", .network = false}), list->begin_of(i));
  }
  check_names(all.table, path.name);
  select_network(all.table, *list, request);
  all.source = std::move(list);
  return all;
}

}  // namespace

at::ScalarType scalar_type(ElementType type) {
  return std::find_if(kTypes.begin(), kTypes.end(), [&](const TypePair& pair) { return pair.stored == type; })->scalar;
}

ElementType element_type(at::ScalarType type) {
  for (const auto& pair : kTypes) {
    if (pair.scalar == type) return pair.stored;
  }
  fail(ErrorCode::kDtypeMismatch, "invalid tensor type: expected one that weight files support, received ", type, ".");
}

TensorTable read_weights_info(const WeightsPath& path, const WeightsRequest& request) {
  return open(path, request).table;
}

WeightsFile read_weights(const WeightsPath& path, const WeightsRequest& request) {
  auto [source, table, descriptions] = open(path, request);
  for (const FileRange& description : descriptions) check_description(*source, description);
  const std::vector<at::Tensor> storages = read_storages(*source, table);
  WeightsFile file{{}, std::move(table.metadata), std::move(table.selection), std::move(table.unread)};
  for (const auto& stored : table.tensors) file.tensors.emplace_back(stored.name, tensor_of(stored, storages));
  return file;
}

}  // namespace reviewkd
