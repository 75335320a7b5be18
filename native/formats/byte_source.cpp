#include "formats/byte_source.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/platform/system.h"

namespace reviewkd {
namespace {

[[noreturn]] void fail_reading(const std::string& path, const std::error_code& error) {
  fail(error == std::errc::no_such_file_or_directory ? ErrorCode::kFileNotFound : ErrorCode::kFileAccess,
       "cannot read the weight file ", path, ": ", platform::reason_of(error), ".");
}

}  // namespace

void ByteSource::read(uint64_t offset, void* target, uint64_t bytes) const {
  if (!holds(offset, bytes)) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", name_, ": expected ", bytes, " bytes at byte ", offset,
         ", received a file of ", size_, " bytes. It is damaged or truncated; download or save it again.");
  }
  if (bytes > 0) copy(offset, target, bytes);
}

FileSource::FileSource(const std::string& path) : ByteSource(path, 0) {
  if (const auto error = file_.open(path, platform::Access::kRead)) fail_reading(path, error);
  if (const auto error = file_.size(size_)) fail_reading(path, error);
}

void FileSource::copy(uint64_t offset, void* target, uint64_t bytes) const {
  uint64_t count = 0;
  if (const auto error = file_.read(offset, target, bytes, count)) fail_reading(name_, error);
  if (count < bytes) {
    fail(ErrorCode::kFileCorrupt, "invalid file ", name_, ": expected ", bytes - count,
         " more bytes, received its end. Another process truncated it; read it again.");
  }
}

SourceList::SourceList(std::string name, std::vector<std::unique_ptr<ByteSource>> parts)
    : ByteSource(std::move(name), 0) {
  for (auto& part : parts) {
    const uint64_t begin = size_;
    size_ += part->size();
    parts_.push_back({begin, std::move(part)});
  }
}

void SourceList::copy(uint64_t offset, void* target, uint64_t bytes) const {
  auto part = std::upper_bound(parts_.begin(), parts_.end(), offset,
                               [](uint64_t position, const Part& later) { return position < later.begin; });
  for (--part; bytes > 0; ++part) {
    const uint64_t within = offset - part->begin;
    const uint64_t count = std::min(bytes, part->source->size() - within);
    part->source->read(within, target, count);
    target = static_cast<char*>(target) + count;
    offset += count;
    bytes -= count;
  }
}

void MemorySource::copy(uint64_t offset, void* target, uint64_t bytes) const {
  std::memcpy(target, static_cast<const char*>(data_) + offset, bytes);
}

}  // namespace reviewkd
