// State dicts written as pickles, read back by the reader of pickles.
#include <gtest/gtest.h>

#include "formats/pickle/pickle_machine.h"
#include "formats/pickle/pickle_writer.h"
#include "formats/pytorch/pytorch_file.h"
#include "formats/weights/state_dict_picker.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::pickle_writer {
namespace {

TEST(PickleWriter, WritesWhatTheReaderFinds) {
  const std::vector<StoredTensor> tensors = {{"layer.weight", ElementType::kFloat32, {2, 3}, {3, 1}, 0, 0},
                                             {"layer.count", ElementType::kInt64, {}, {}, 1, 0},
                                             {"großes", ElementType::kBFloat16, {300}, {1}, 2, 0}};
  const Bytes file = zip({{"a/data.pkl", state_dict_pickle(tensors, {{"epoch", "7"}})},
                          {"a/data/0", Bytes(24, 'x')},
                          {"a/data/1", Bytes(8, 'x')},
                          {"a/data/2", Bytes(600, 'x')}});
  const MemorySource source("weights.pt", file.data(), file.size());
  const auto table = pick_state_dict(read_pytorch_zip(source), source, "");
  ASSERT_EQ(table.tensors.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(table.tensors[i].name, tensors[i].name);
    EXPECT_EQ(table.tensors[i].type, tensors[i].type);
    EXPECT_EQ(table.tensors[i].shape, tensors[i].shape);
    EXPECT_EQ(table.tensors[i].strides, tensors[i].strides);
    EXPECT_EQ(table.storages[table.tensors[i].storage].bytes,
              element_count(tensors[i].shape) * bytes_of(tensors[i].type));
  }
  EXPECT_EQ(table.metadata, (Metadata{{"epoch", "7"}}));
}

TEST(PickleWriter, WritesLengthsBeyond32Bits) {
  const int64_t large = int64_t{1} << 40;
  const Bytes bytes = state_dict_pickle({{"a", ElementType::kUInt8, {large}, {1}, 0, 0}}, {});
  const MemorySource source("weights.pt", bytes.data(), bytes.size());
  reviewkd::pickle::Input input(source, 0, bytes.size());
  reviewkd::pickle::Heap heap;
  reviewkd::pickle::read(input, heap);
  ASSERT_EQ(heap.tensors.size(), 1u);
  EXPECT_EQ(heap.tensors[0].shape, (std::vector<int64_t>{large}));
}

TEST(PickleWriter, LeavesOutEmptyMetadata) { EXPECT_EQ(state_dict_pickle({}, {}).find("metadata"), std::string::npos); }

}  // namespace
}  // namespace reviewkd::tests::pickle_writer
