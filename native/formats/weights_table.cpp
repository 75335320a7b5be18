#include "formats/weights_table.h"

#include <algorithm>
#include <string_view>

#include "core/base/error.h"
#include "formats/pickle/pickled_file.h"
#include "formats/pytorch/pytorch_file.h"
#include "formats/pytorch/zip_archive.h"
#include "formats/safetensors/safetensors_header.h"
#include "formats/state_dict_picker.h"

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

/// PROTO with an existing protocol version, or a dictionary as protocols 0 and 1 begin, which have no such opcode.
bool is_pickle(std::string_view head) {
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return true;
  constexpr std::string_view kBeginnings[] = {"(dp", "}q", "}(", "ccollections\nOrderedDict\n"};
  return std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                     [&](std::string_view beginning) { return head.starts_with(beginning); });
}

/// The torch.save format of 2017 and earlier.
bool is_tar(std::string_view head) { return head.size() >= 262 && head.substr(257, 5) == "ustar"; }

TensorTable read_any(const ByteSource& source, const std::string& key) {
  const std::string head = head_of(source);
  if (!is_safetensors(head)) {
    if (is_zip(source)) return pick_state_dict(read_pytorch_zip(source), source, key);
    if (is_pytorch_legacy(head)) return pick_state_dict(read_pytorch_legacy(source), source, key);
    if (is_pickle(head)) return pick_state_dict(read_numpy_pickle(source), source, key);
    if (is_tar(head)) {
      fail(ErrorCode::kFileUnsupported, "invalid weight file ", source.name(),
           ": expected .safetensors, a file of torch.save or a pickle of NumPy arrays, received a tar archive"
           ". In Python, torch.save(torch.load(\"old.pt\"), \"new.pt\") converts it.");
    }
  }
  if (!key.empty()) {
    fail(ErrorCode::kUnknownName, "invalid key for ", source.name(),
         ": expected none, because .safetensors has no dictionaries, received \"", key, "\".");
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
