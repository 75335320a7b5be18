#include "formats/weights/weights_table.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "formats/pickle/pickled_file.h"
#include "formats/pytorch/pytorch_file.h"
#include "formats/pytorch/zip_archive.h"
#include "formats/safetensors/safetensors_header.h"
#include "formats/weights/file_signature.h"
#include "formats/weights/state_dict_picker.h"

namespace reviewkd {
namespace {

std::string head_of(const ByteSource& source) {
  std::string head(std::min<uint64_t>(source.size(), kSignatureBytes), '\0');
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

/// Follows a key of a file without dictionaries.
void follow(TensorTable& table, const ByteSource& source, const std::string& key) {
  if (key.empty() || keep_below(table, key)) return;
  const std::vector<std::string> beginnings = first_parts(table);
  throw Error(ErrorCode::kUnknownName,
              "invalid key for " + source.name() +
                  ": expected none, because it has no dictionaries, or a beginning of its names: " +
                  joined(beginnings) + "; received \"" + key + "\".",
              beginnings);
}

TensorTable read_any(const ByteSource& source, const std::string& key) {
  if (source.size() == 0) {
    fail(ErrorCode::kFileCorrupt, "invalid weight file ", source.name(),
         ": expected weights, received an empty file of 0 bytes. Download or save it again.");
  }
  const std::string head = head_of(source);
  if (!is_safetensors(head)) {
    if (is_zip(source)) return pick_state_dict(read_pytorch_zip(source), source, key);
    if (is_pytorch_legacy(head)) return pick_state_dict(read_pytorch_legacy(source), source, key);
    if (is_pickle(head)) return pick_state_dict(read_numpy_pickle(source), source, key);
    refuse_other_file(source.name(), head);
  }
  TensorTable table = read_safetensors_table(source);
  follow(table, source, key);
  return table;
}

}  // namespace

TensorTable read_weights_table(const ByteSource& source, const WeightsRequest& request) {
  TensorTable table = read_any(source, request.key);
  select_network(table, source, {.key = "", .network = request.network});
  return table;
}

void select_network(TensorTable& table, const ByteSource& source, const WeightsRequest& request) {
  follow(table, source, request.key);
  if (request.network) keep_network(table);
  check_expansion(table, source);
}

}  // namespace reviewkd
