#include "formats/weights_table.h"

#include <algorithm>
#include <string_view>

#include "formats/pytorch/pytorch_file.h"
#include "formats/safetensors/safetensors_header.h"
#include "formats/state_dict_picker.h"
#include "formats/pytorch/zip_archive.h"
#include "core/base/error.h"

namespace reviewkd {
namespace {

constexpr size_t kHeadBytes = 265;

std::string head_of(const ByteSource& source) {
  std::string head(std::min<uint64_t>(source.size(), kHeadBytes), '\0');
  source.read(0, head.data(), head.size());
  return head;
}

/// A length below 4 GiB in 8 bytes, then JSON: no pickle and no archive has four zeros there.
bool is_safetensors(std::string_view head) {
  return head.size() > 8 && head.substr(4, 4) == std::string_view("\0\0\0\0", 4) && head[8] == '{';
}

/// PROTO of a protocol that there is.
bool is_pickle(std::string_view head) { return head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5; }

/// torch.save of 2017 and before.
bool is_tar(std::string_view head) { return head.size() >= 262 && head.substr(257, 5) == "ustar"; }

TensorTable read_any(const ByteSource& source, const std::string& key) {
  const std::string head = head_of(source);
  if (!is_safetensors(head)) {
    if (is_zip(source)) return pick_state_dict(read_pytorch_zip(source), source, key);
    if (is_pickle(head)) return pick_state_dict(read_pytorch_legacy(source), source, key);
    if (is_tar(head)) {
      fail(ErrorCode::kFileUnsupported, "expected .safetensors or a file of torch.save for weights, got a tar archive at ", source.name(),
           ". In Python, torch.save(torch.load(\"old.pt\"), \"new.pt\") writes it anew");
    }
  }
  if (!key.empty()) {
    fail(ErrorCode::kUnknownName, "expected no key for ", source.name(), ", for .safetensors has no dictionaries, got \"", key, "\"");
  }
  return read_safetensors_table(source);
}

}  // namespace

TensorTable read_weights_table(const ByteSource& source, const WeightsRequest& request) {
  TensorTable table = read_any(source, request.key);
  if (request.network) keep_network(table);
  check_expansion(table, source);
  return table;
}

}  // namespace reviewkd
