#include "core/distributed/communicator.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
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

std::vector<std::string> gathered_texts(Communicator& communicator, const std::string& text) {
  const auto own = static_cast<int64_t>(text.size());
  const at::Tensor lengths = gathered(communicator, at::full({1}, own, at::kLong));  // [size, 1]
  at::Tensor padded = at::zeros({lengths.max().item<int64_t>()}, at::kByte);
  std::copy(text.begin(), text.end(), padded.data_ptr<uint8_t>());
  const at::Tensor all = gathered(communicator, padded);  // [size, longest]
  std::vector<std::string> texts;
  for (int64_t rank = 0; rank < communicator.size(); ++rank) {
    const at::Tensor row = all[rank];
    texts.emplace_back(static_cast<const char*>(row.const_data_ptr()),
                       static_cast<size_t>(lengths[rank][0].item<int64_t>()));
  }
  return texts;
}

void sum_in_order(Communicator& communicator, const at::Tensor& values, int64_t active) {
  const at::NoGradGuard no_grad;
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
