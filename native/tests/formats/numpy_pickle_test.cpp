// Pickles of NumPy arrays: the forms that Python and NumPy write, and what is refused.
#include <gtest/gtest.h>

#include "formats/weights/weights_table.h"
#include "tests/support/errors.h"
#include "tests/support/numpy_bytes.h"

namespace reviewkd::tests::numpy_pickle {
namespace {

TensorTable read(const Bytes& file, const std::string& key = "") {
  return read_weights_table(MemorySource("weights.pkl", file.data(), file.size()), {.key = key, .network = true});
}

Bytes named(const Bytes& value) { return pickle(dict(text("weight") + value)); }

/// The bytes of the only array, one element after the other.
Bytes elements(const Bytes& file) {
  const MemorySource source("weights.pkl", file.data(), file.size());
  const TensorTable table = read(file);
  const FileRange& range = table.storages.at(table.tensors.at(0).storage);
  Bytes content(content_bytes(range), '?');
  read_content(source, range, content.data());
  return content;
}

std::string code(const Bytes& file) {
  return code_of([&] { read(file); });
}

std::string message(const Bytes& file) {
  return error_of([&] { read(file); }).what();
}

using Lengths = std::vector<int64_t>;

TEST(NumpyPickle, ReadsArraysUnderTheNamesOfBothNumpys) {
  for (const char* module : {"numpy.core.multiarray", "numpy._core.multiarray"}) {
    const Bytes file = named(array({.module = module}));
    const TensorTable table = read(file);
    EXPECT_EQ(table.format, WeightsFormat::kNumpyPickle);
    ASSERT_EQ(table.tensors.size(), 1u);
    EXPECT_EQ(table.tensors[0].type, ElementType::kFloat32);
    EXPECT_EQ(table.tensors[0].shape, (Lengths{3}));
    EXPECT_EQ(elements(file), "aaaabbbbcccc");
  }
}

TEST(NumpyPickle, ReadsTheElementsOfEveryProtocol) {
  const Bytes latin = raw("\x00\x00\xc2\x80?aaaabbbb"), expected = raw("\x00\x00\x80?aaaabbbb");
  for (const Bytes& data : {bytes(expected), "C\x0c" + expected, "U\x0c" + expected, "T" + little(12, 4) + expected,
                            "\x8e" + little(12, 8) + expected, encoded(text(latin)),
                            encoded(Bytes("V\\u0000\\u0000\x80?aaaabbbb\n")), Bytes("S'\\x00\\x00\\x80?aaaabbbb'\n")}) {
    EXPECT_EQ(elements(named(array({.elements = data}))), expected);
  }
}

TEST(NumpyPickle, LeavesLongElementsInTheFile) {
  // 9 MiB, where a pickle may have 8 without its arrays, and 64 KiB that a text may have.
  constexpr int64_t kCount = 9 << 20;
  const Bytes values = repeated("ab", kCount / 2);
  for (const Bytes& data : {bytes(values), "T" + little(kCount, 4) + values, encoded(text(values)),
                            "S'" + values + "'\n", encoded("V" + values + "\n")}) {
    const Bytes file = pickle(dict(text("large") + array({.type = dtype("u1"), .shape = {kCount}, .elements = data}) +
                                   text("small") + array()));
    ASSERT_EQ(read(file).tensors.size(), 2u);
    EXPECT_TRUE(elements(file) == values);
  }
}

TEST(NumpyPickle, ReadsFortransOrder) {
  const auto tensor = read(named(array({.shape = {1, 3}, .is_fortran = true}))).tensors.at(0);
  EXPECT_EQ(tensor.shape, (Lengths{1, 3}));
  EXPECT_EQ(tensor.strides, (Lengths{1, 1}));
  EXPECT_EQ(read(named(array({.shape = {3, 1}}))).tensors.at(0).strides, (Lengths{1, 1}));
  const Bytes six = bytes(Bytes(24, 'x'));
  EXPECT_EQ(read(named(array({.shape = {2, 3}, .elements = six}))).tensors.at(0).strides, (Lengths{3, 1}));
  EXPECT_EQ(read(named(array({.shape = {2, 3}, .is_fortran = true, .elements = six}))).tensors.at(0).strides,
            (Lengths{1, 2}));
}

TEST(NumpyPickle, ReadsTheBuffersOfProtocol5InEveryOrder) {
  const Bytes values(96, 'x');
  const auto tensor = [&](const Bytes& order) {
    return read(named(buffer_array(values, {2, 3, 4}, order))).tensors.at(0);
  };
  EXPECT_EQ(tensor(text("C")).strides, (Lengths{12, 4, 1}));
  EXPECT_EQ(tensor(text("F")).strides, (Lengths{1, 2, 6}));
  // reshape(2, 3, 4).transpose(1, 2, 0)
  const auto turned = tensor(text("K") + lengths({1, 2, 0}));
  EXPECT_EQ(turned.shape, (Lengths{3, 4, 2}));
  EXPECT_EQ(turned.strides, (Lengths{4, 1, 12}));
  for (const Lengths& axes : {Lengths{0, 1}, Lengths{0, 1, 1}, Lengths{0, 1, 3}})
    EXPECT_EQ(code(named(buffer_array(values, {2, 3, 4}, text("K") + lengths(axes)))), "FILE_CORRUPT");
}

TEST(NumpyPickle, ReadsBigEndianNumbers) {
  EXPECT_EQ(elements(named(array({.type = dtype("f4", ">"), .elements = bytes("abcdefghijkl")}))), "dcbahgfelkji");
  EXPECT_EQ(elements(named(array({.type = dtype("u1", "|"), .shape = {2}, .elements = bytes("ab")}))), "ab");
}

TEST(NumpyPickle, ReadsAnArrayWithoutElementsAndANumber) {
  const Bytes no_bytes = global("__builtin__", "bytes") + ")R";
  EXPECT_EQ(read(named(array({.shape = {0, 3}, .elements = no_bytes}))).tensors.at(0).shape, (Lengths{0, 3}));
  EXPECT_EQ(read(named(array({.shape = {}, .elements = bytes("aaaa")}))).tensors.at(0).shape, (Lengths{}));
}

TEST(NumpyPickle, ReadsTheStateOfTheFirstNumpys) {
  EXPECT_EQ(elements(named(array({.has_version = false}))), "aaaabbbbcccc");
}

TEST(NumpyPickle, FindsTheZoosDictionaryAndItsAuthor) {
  const Bytes zoo = pickle(dict(text("model") + dict(text("a") + array()) + text("__author__") + text("Detectron2") +
                                text("matching_heuristics") + "\x88"));
  const TensorTable table = read(zoo);
  EXPECT_EQ(table.selection.key, "model");
  EXPECT_EQ(table.metadata, (Metadata{{"__author__", "Detectron2"}, {"matching_heuristics", "true"}}));
}

TEST(NumpyPickle, ReadsNamesOfPython2AndBytes) {
  for (const Bytes& name : {Bytes("U\x06"
                                  "conv\xe9w"),
                            Bytes("C\x06"
                                  "conv\xe9w"),
                            Bytes("S'conv\\xe9w'\n"), Bytes("Vconv\xe9w\n"), text("conv\xc3\xa9w")}) {
    EXPECT_EQ(read(pickle(dict(name + array()))).tensors.at(0).name, "conv\xc3\xa9w");
  }
}

TEST(NumpyPickle, KnowsProtocolsWithoutAnOpcodeForThem) {
  const Bytes entries = text("a") + array() + "s.";
  for (const Bytes& beginning : {Bytes("(dp0\n"), Bytes("}q") + raw("\x00"), Bytes("ccollections\nOrderedDict\n)R")})
    EXPECT_EQ(read(beginning + entries).format, WeightsFormat::kNumpyPickle);
}

TEST(NumpyPickle, DropsObjectsThatItDoesNotKnow) {
  const Bytes objects[] = {
      global("os", "system") + text("echo") + "\x85R",
      global("argparse", "Namespace") + ")\x81}" + text("lr") + "K\x01sb",
      global("some", "List") + ")R(K\x01K\x02" + "e" + "K\x03" + "a",
      global("some", "Dict") + ")R(" + text("a") + "K\x01u" + text("b") + "K\x02s",
      global("some", "Class") + ")}\x92",
      global("some", "Factory") + ")R)R",
      array({.type = dtype("O8"), .elements = "]"}),
  };
  for (const Bytes& object : objects) {
    const Bytes file = pickle(dict(text("model") + dict(text("a") + array()) + text("other") + object));
    EXPECT_EQ(read(file).tensors.size(), 1u);
  }
}

TEST(NumpyPickle, ListsAnEntryThatItCannotRead) {
  const Bytes tensor_of_pickle_dump = global("torch._utils", "_rebuild_tensor_v2") +
                                      tuple(global("torch.storage", "_load_from_bytes") + bytes("x") + "\x85R" +
                                            raw("K\x00") + lengths({3}) + lengths({1}) + "\x89" + "}") +
                                      "R";
  const std::pair<Bytes, const char*> entries[] = {
      {array({.type = dtype("c8")}), "c8"},
      {array({.type = dtype("O8"), .elements = "]"}), "O8"},
      {array({.type = dtype("bfloat16x")}), "bfloat16x"},
      {array({.type = global("ml_dtypes", "bfloat16")}), "an array of an unknown type"},
      {array({.elements = global("some", "Bytes")}), "an array without elements"},
      {global("numpy.core.multiarray", "_reconstruct") + ")R", "an array without elements"},
      {tensor_of_pickle_dump, "a tensor of pickle.dump"},
      {global("torch._utils", "_rebuild_parameter") + tuple(tensor_of_pickle_dump + "\x88}") + "R",
       "a tensor of pickle.dump"},
  };
  for (const auto& [entry, type] : entries) {
    const auto table = read(pickle(dict(text("good") + array() + text("bad") + entry)));
    ASSERT_EQ(table.tensors.size(), 1u) << type;
    ASSERT_EQ(table.unread.size(), 1u) << type;
    EXPECT_EQ(table.unread[0].name, "bad");
    EXPECT_EQ(table.unread[0].type, type);
    EXPECT_TRUE(table.unread[0].is_entry);
  }
}

TEST(NumpyPickle, RefusesTensorsWhoseStoragesAreElsewhere) {
  EXPECT_EQ(code(named(tensor())), "FILE_UNSUPPORTED");
  EXPECT_NE(message(named(tensor())).find("torch.save"), std::string::npos);
}

TEST(NumpyPickle, ChecksEveryArrayAgainstItsBytes) {
  const Bytes arrays[] = {
      array({.shape = {4}}),
      array({.shape = {2}}),
      array({.shape = {-3}}),
      array({.shape = {int64_t{1} << 62, 4}}),
      array({.shape = {int64_t{1} << 61, 0}, .elements = bytes("")}),
      array({.shape = {int64_t{1} << 40, int64_t{1} << 40, 0}, .elements = bytes("")}),
      array({.shape = Lengths(100, 1), .elements = bytes("aaaa")}),
      array({.elements = encoded(text("\xc4\x80"
                                      "aaabbbbcccc"))}),
      array({.elements = encoded(Bytes("V\\u0100aaabbbbcccc\n"))}),
      array({.elements = Bytes("S'\\qaaabbbbcccc'\n")}),
      array({.elements = "B" + little(0xffffffff, 4)}),
      array({.elements = "\x8e" + little(~uint64_t{0}, 8)}),
      array({.elements = "S'aaaabbbbcccc\"\n"}),
      array({.elements = "S'\n"}),
      array({.elements = "Vaaaabbbbcccc"}),
      dtype("f4") + ")b",
      global("numpy", "dtype") + tuple(text("f4")) + "R" + tuple("K\x03" + text("<>")) + "b",
      buffer_array(Bytes(12, 'x'), {4}, text("C")),
      global("numpy._core.numeric", "_frombuffer") + ")R",
  };
  for (const Bytes& array : arrays) EXPECT_EQ(code(named(array)), "FILE_CORRUPT") << array;
}

TEST(NumpyPickle, RefusesOneTextThatManyArraysRepeat) {
  // Each array is as large as its bytes, which the file holds once.
  Bytes entries = text("first") + array({.type = dtype("u1"),
                                         .shape = {1 << 20},
                                         .elements = bytes(Bytes(1 << 20, 'x')) + raw("r\x00\x00\x00\x00")});
  for (int i = 0; i < 100; ++i) {
    entries += text("a" + std::to_string(i)) +
               array({.type = dtype("u1"), .shape = {1 << 20}, .elements = raw("j\x00\x00\x00\x00")});
  }
  EXPECT_EQ(code(pickle(dict(entries))), "FILE_UNSUPPORTED");
}

TEST(NumpyPickle, IsRefusedWhereverItIsCut) {
  const Bytes good = named(array({.elements = encoded(text("aaaabbbbcccc"))}));
  for (size_t count = 2; count < good.size(); ++count) EXPECT_EQ(code(good.substr(0, count)), "FILE_CORRUPT") << count;
}

TEST(NumpyPickle, ReadsArraysInFilesOfPyTorch) {
  const Bytes content = pickle(dict(text("array") + array() + text("tensor") + tensor()));
  for (const Bytes& file : {archive(content), legacy(content)}) {
    const TensorTable table = read(file);
    ASSERT_EQ(table.tensors.size(), 2u);
    EXPECT_EQ(elements(file), "aaaabbbbcccc");
    EXPECT_EQ(table.storages.at(table.tensors[1].storage).bytes, 12u);
  }
}

}  // namespace
}  // namespace reviewkd::tests::numpy_pickle
