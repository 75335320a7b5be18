#include "core/training/state/peers.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace reviewkd {

std::vector<std::string> Peers::gather_texts(const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  std::vector<std::string> texts;
  for (const at::Tensor& other : gather(bytes)) {
    const auto* begin = other.const_data_ptr<uint8_t>();
    texts.emplace_back(begin, begin + other.numel());
  }
  return texts;
}

}  // namespace reviewkd
