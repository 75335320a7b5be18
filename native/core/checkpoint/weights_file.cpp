#include "core/checkpoint/weights_file.h"

#include <string_view>

#include "core/base/error.h"
#include "core/checkpoint/pytorch_writer.h"
#include "core/checkpoint/safetensors.h"

namespace reviewkd {
namespace {

bool has_ending(std::string_view path, std::string_view ending) {
  return path.size() > ending.size() && path.substr(path.size() - ending.size()) == ending;
}

bool names_safetensors(const std::string& path) { return has_ending(path, ".safetensors"); }
bool names_pytorch(const std::string& path) { return has_ending(path, ".pt") || has_ending(path, ".pth"); }

}  // namespace

void check_weights_ending(const std::string& path) {
  if (names_safetensors(path) || names_pytorch(path)) return;
  fail(ErrorCode::kFileUnsupported,
       "invalid path of weights: expected the extension .safetensors, .pt or .pth, received ", path, ".");
}

void write_weights(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  check_weights_ending(path);
  if (names_safetensors(path)) {
    write_safetensors(path, tensors, metadata);
  } else {
    write_pytorch(path, tensors, metadata);
  }
}

}  // namespace reviewkd
