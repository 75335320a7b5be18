#include "core/distributed/communicator.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <cstring>
#include <string>
#include <vector>

namespace reviewkd {
namespace {

class SoloCommunicator : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  void all_gather(at::Tensor into, at::Tensor own) override { into.copy_(own.view_as(into)); }
  void all_to_all(at::Tensor into, at::Tensor own) override { into.copy_(own); }
  void broadcast(at::Tensor, int64_t) override {}
};

}  // namespace

at::Tensor gathered(Communicator& communicator, const at::Tensor& values) {
  const at::Tensor all = at::empty({communicator.size() * values.numel()}, values.options());
  communicator.all_gather(all, values.contiguous());
  return all.view({communicator.size(), values.numel()});
}

std::vector<at::Tensor> gathered_bytes(Communicator& communicator, const at::Tensor& bytes) {
  const at::Tensor lengths = gathered(communicator, at::full({1}, bytes.numel(), at::kLong));
  const auto longest = lengths.max().item<int64_t>();
  at::Tensor padded = at::zeros({longest}, at::kByte);
  padded.narrow(0, 0, bytes.numel()).copy_(bytes);
  const at::Tensor all = gathered(communicator, padded);
  std::vector<at::Tensor> result;
  for (int64_t rank = 0; rank < communicator.size(); ++rank)
    result.push_back(all[rank].narrow(0, 0, lengths[rank][0].item<int64_t>()));
  return result;
}

std::vector<std::string> gathered_texts(Communicator& communicator, const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  std::vector<std::string> texts;
  for (const at::Tensor& other : gathered_bytes(communicator, bytes)) {
    const auto* begin = other.const_data_ptr<uint8_t>();
    texts.emplace_back(begin, begin + other.numel());
  }
  return texts;
}

void sum_in_order(Communicator& communicator, const at::Tensor& values, int64_t active) {
  const torch::NoGradGuard no_grad;
  const int64_t part = values.numel() / communicator.size();
  const at::Tensor received = at::empty_like(values);
  communicator.all_to_all(received, values);
  const at::Tensor parts = received.view({communicator.size(), part});
  at::Tensor sum = parts[0];
  for (int64_t rank = 1; rank < active; ++rank) sum.add_(parts[rank]);
  communicator.all_gather(values, sum);
}

std::unique_ptr<Communicator> solo_communicator() { return std::make_unique<SoloCommunicator>(); }

}  // namespace reviewkd
