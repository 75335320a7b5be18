// Pickles read without executing anything: every opcode, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "formats/pickle/pickle_machine.h"
#include "tests/support/errors.h"
#include "tests/support/pytorch_bytes.h"

namespace reviewkd::tests::pickle_machine {
namespace {

using reviewkd::pickle::Kind;
using reviewkd::pickle::Value;

/// One pickle, read to its end, with everything that its values point to.
class Read {
 public:
  explicit Read(Bytes bytes)
      : bytes_(std::move(bytes)),
        source_("weights.pt", bytes_.data(), bytes_.size()),
        input_(source_, 0, bytes_.size()) {
    root_ = reviewkd::pickle::read(input_, heap_);
  }

  const Value& root() const { return heap_.at(root_); }
  const Value& item(size_t index) const { return heap_.at(root().items.at(index)); }
  const reviewkd::pickle::Heap& heap() const { return heap_; }
  uint64_t position() const { return input_.position(); }

 private:
  Bytes bytes_;
  MemorySource source_;
  reviewkd::pickle::Input input_;
  reviewkd::pickle::Heap heap_;
  reviewkd::pickle::Id root_;
};

Error refusal_of(const Bytes& bytes) {
  return error_of([&] { const Read read(bytes); });
}

TEST(PickleMachine, ReadsWholeNumbersOfEveryWidth) {
  const std::vector<std::pair<Bytes, int64_t>> numbers = {
      {raw("K\xff"), 255},
      {raw("M\x01\x02"), 513},
      {raw("J\xff\xff\xff\xff"), -1},
      {raw("\x8a\x00"), 0},
      {raw("\x8a\x01\x80"), -128},
      {raw("\x8a\x02\x80\x00"), 128},
      {integer(INT64_MIN), INT64_MIN},
      {raw("\x8b\x02\x00\x00\x00\x80\x00"), 128},
      {"I-12\n", -12},
      {"I01\n", 1},
      {"L34L\n", 34},
      {"L34\n", 34},
      {raw("\x88"), 1},
      {raw("\x89"), 0},
  };
  for (const auto& [bytes, expected] : numbers) EXPECT_EQ(Read(tests::pickle(bytes)).root().integer, expected);
  EXPECT_EQ(Read(tests::pickle("\x88")).root().kind, Kind::kBool);
  EXPECT_EQ(Read(tests::pickle("I00\n")).root().kind, Kind::kBool);
  EXPECT_EQ(Read(tests::pickle("L1180591620717411303424L\n")).root().kind, Kind::kBigInteger);
  EXPECT_EQ(Read(tests::pickle(raw("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01"))).root().kind, Kind::kBigInteger);
}

TEST(PickleMachine, ReadsRealsTextsAndBytes) {
  EXPECT_EQ(Read(tests::pickle(raw("G\x3f\xf8\x00\x00\x00\x00\x00\x00"))).root().real, 1.5);
  EXPECT_EQ(Read(tests::pickle("F-0.25\n")).root().real, -0.25);
  EXPECT_TRUE(std::isnan(Read(tests::pickle("Fnan\n")).root().real));
  EXPECT_EQ(Read(tests::pickle("F-inf\n")).root().real, -std::numeric_limits<double>::infinity());
  for (const auto& bytes :
       {text("name"), raw("U\x04name"), raw("T\x04\x00\x00\x00name"), raw("\x8c\x04name"),
        raw("\x8d\x04\x00\x00\x00\x00\x00\x00\x00name"), raw("S'name'\n"), raw("S\"name\"\n"), raw("Vname\n")}) {
    const Read read(tests::pickle(bytes));
    EXPECT_EQ(read.root().kind, Kind::kText);
    EXPECT_EQ(read.root().text, "name");
  }
  for (const auto& bytes :
       {raw("C\x02\x00\x01"), raw("B\x02\x00\x00\x00\x00\x01"), raw("\x8e\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
        raw("\x96\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01")}) {
    const Read read(tests::pickle(bytes));
    EXPECT_EQ(read.root().kind, Kind::kBytes);
    EXPECT_EQ(read.root().text, std::string_view("\0\1", 2));
  }
  EXPECT_EQ(Read(tests::pickle("N")).root().kind, Kind::kNone);
}

TEST(PickleMachine, BuildsContainers) {
  for (const auto& [bytes, count] :
       std::vector<std::pair<Bytes, size_t>>{{")", 0}, {"N\x85", 1}, {"NN\x86", 2}, {"NNN\x87", 3}, {"(NNNNt", 4}}) {
    const Read read(tests::pickle(bytes));
    EXPECT_EQ(read.root().kind, Kind::kTuple);
    EXPECT_EQ(read.root().items.size(), count);
  }
  for (const auto& [bytes, count] : std::vector<std::pair<Bytes, size_t>>{
           {"]", 0}, {"]Na", 1}, {"](NNe", 2}, {"(NNNl", 3}, {"\x8f(NN\x90", 2}, {"(NN\x91", 2}}) {
    const Read read(tests::pickle(bytes));
    EXPECT_EQ(read.root().kind, Kind::kList);
    EXPECT_EQ(read.root().items.size(), count);
  }
  for (const auto& bytes :
       {dict(text("key") + "K\x07"), Bytes("}") + text("key") + "K\x07s", "(" + text("key") + "K\x07" + "d"}) {
    const Read read(tests::pickle(bytes));
    ASSERT_EQ(read.root().kind, Kind::kDict);
    const Value* value = reviewkd::pickle::find(read.heap(), read.root(), "key");
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(value->integer, 7);
    EXPECT_EQ(reviewkd::pickle::find(read.heap(), read.root(), "other"), nullptr);
  }
}

TEST(PickleMachine, PopsAndRecallsWhatItMemoized) {
  const Read read(
      tests::pickle(raw("K\x01q\x05"
                        "0(K\x02"
                        "1h\x05K\x03"
                        "r\x06\x00\x00\x00j\x06\x00\x00\x00\x87")));
  EXPECT_EQ(read.item(0).integer, 1);
  EXPECT_EQ(read.item(1).integer, 3);
  EXPECT_EQ(read.item(2).integer, 3);
  const Read lines(tests::pickle("I7\np12\n0g12\n2\x86"));
  EXPECT_EQ(lines.item(0).integer, 7);
  EXPECT_EQ(lines.item(1).integer, 7);
  const Read memoized(tests::pickle(raw("\x95\x00\x00\x00\x00\x00\x00\x00\x00K\x09\x94h\x00\x86")));
  EXPECT_EQ(memoized.item(1).integer, 9);
}

TEST(PickleMachine, StopsBehindOnePickle) {
  const Bytes first = tests::pickle("N");
  EXPECT_EQ(Read(first + tests::pickle("N")).position(), first.size());
}

TEST(PickleMachine, DescribesTensorsByTheirStorage) {
  const Read read(tests::pickle(
      tensor({.type = "DoubleStorage", .key = "k", .elements = 12, .offset = 2, .shape = {2, 3}, .strides = {1, 3}})));
  ASSERT_EQ(read.root().kind, Kind::kTensor);
  ASSERT_EQ(read.heap().tensors.size(), 1u);
  const auto& found = read.heap().tensors[0];
  EXPECT_EQ(found.type, ElementType::kFloat64);
  EXPECT_EQ(found.offset, 2);
  EXPECT_EQ(found.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(found.strides, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(read.heap().storages[found.storage].key, "k");
  EXPECT_EQ(read.heap().storages[found.storage].bytes, 96u);
}

TEST(PickleMachine, SharesStoragesAndReadsTheirViews) {
  const Bytes view = tuple(text("view") + "K\x01K\x02");
  const Read read(tests::pickle(dict(text("a") + tensor() + text("b") + tensor({.shape = {2}, .view = view}))));
  ASSERT_EQ(read.heap().storages.size(), 1u);
  ASSERT_EQ(read.heap().tensors.size(), 2u);
  EXPECT_EQ(read.heap().tensors[1].offset, 1);
}

TEST(PickleMachine, UnwrapsParametersAndOrderedDicts) {
  const Read parameter(tests::pickle(global("torch._utils", "_rebuild_parameter") +
                                     tuple(tensor() + "\x88" + global("collections", "OrderedDict") + ")R") + "R"));
  EXPECT_EQ(parameter.root().kind, Kind::kTensor);
  const Read ordered(
      tests::pickle(global("collections", "OrderedDict") + ")R(" + text("a") + "Nu}" + text("metadata") + "}s" + "b"));
  ASSERT_EQ(ordered.root().kind, Kind::kDict);
  ASSERT_NE(ordered.root().attributes, reviewkd::pickle::kNothing);
  EXPECT_NE(reviewkd::pickle::find(ordered.heap(), ordered.heap().at(ordered.root().attributes), "metadata"), nullptr);
  // torch.Size has the items of a tuple, and a numpy scalar without arguments is nothing of use.
  EXPECT_EQ(Read(tests::pickle(global("torch", "Size") + "K\x02\x85\x85R")).root().items.size(), 1u);
  EXPECT_EQ(Read(tests::pickle(global("numpy.core.multiarray", "scalar") + ")R")).root().kind, Kind::kOpaque);
  EXPECT_EQ(Read(tests::pickle(raw("\x8c\x0b"
                                   "collections\x8c\x0bOrderedDict\x93)R")))
                .root()
                .kind,
            Kind::kDict);
}

/// "module.name" of an opaque value; empty for any other.
Bytes global_of(const Read& read, const Value& value) {
  if (value.kind != Kind::kOpaque) return "";
  const auto& [module, name] = read.heap().globals.at(static_cast<size_t>(value.integer));
  return Bytes(module) + "." + Bytes(name);
}

TEST(PickleMachine, KeepsUnknownNamesAndTheirCallsAsOpaqueValues) {
  const Bytes files[] = {
      global("os", "system"),
      global("os", "system") + text("true") + "\x85R",
      text("os") + text("system") + raw("\x93)\x81"),
      global("os", "system") + raw(")}\x92"),
      raw("(ios\nsystem\n"),
      "(" + text("true") + "ios\nsystem\n",
      "(" + global("os", "system") + text("true") + "o",
      global("os", "system") + ")R)R",
      global("os", "system") + ")R}" + text("attribute") + "K\x01sb",
      global("os", "system") + ")R" + "K\x01\x85" + "b",
      // The arguments are what an opaque call returned.
      global("os", "system") + global("my", "arguments") + "R",
      tuple(text("module") + global("os", "system") + "NN") + "Q",
  };
  for (const auto& bytes : files) {
    const Read read(tests::pickle(bytes));
    EXPECT_EQ(global_of(read, read.root()), "os.system") << bytes;
  }
  EXPECT_EQ(Read(tests::pickle(raw("\x82\x01"))).root().kind, Kind::kOpaque);
  EXPECT_EQ(Read(tests::pickle(raw("\x83\x01\x00"))).root().kind, Kind::kOpaque);
  EXPECT_EQ(Read(tests::pickle(raw("\x84\x01\x00\x00\x00"))).root().kind, Kind::kOpaque);
  EXPECT_EQ(Read(tests::pickle("P17\n")).root().kind, Kind::kOpaque);
  EXPECT_EQ(Read(tests::pickle(raw("K\x07Q"))).root().kind, Kind::kOpaque);
}

TEST(PickleMachine, TakesOpaqueObjectsWithEntriesForDictionariesAndLists) {
  const Bytes object = global("easydict", "EasyDict") + raw(")\x81");
  const Read mapping(tests::pickle(object + "(" + text("a") + "K\x07u" + ")b"));
  ASSERT_EQ(mapping.root().kind, Kind::kDict);
  EXPECT_EQ(mapping.item(1).integer, 7);
  const Read list(tests::pickle(object + "(K\x07K\x08" + "e"));
  ASSERT_EQ(list.root().kind, Kind::kList);
  EXPECT_EQ(list.root().items.size(), 2u);
  for (const char* type : {"defaultdict", "OrderedDict", "Counter"})
    EXPECT_EQ(Read(tests::pickle(global("collections", type) + ")R")).root().kind, Kind::kDict) << type;
  EXPECT_EQ(Read(tests::pickle(global("collections", "defaultdict") + global("builtins", "list") + "\x85R(" +
                               text("a") + "Nu"))
                .root()
                .items.size(),
            2u);
  EXPECT_EQ(Read(tests::pickle(global("collections", "deque") + "](K\x01K\x02" + "e\x85R")).root().items.size(), 2u);
  // As Python fills one: of a maximum length, item by item.
  EXPECT_EQ(Read(tests::pickle(global("collections", "deque") + ")K\x05\x86R(K\x01K\x02" + "e")).root().items.size(),
            2u);
  EXPECT_EQ(Read(tests::pickle(global("collections", "deque") + ")R(K\x01K\x02" + "e")).root().items.size(), 2u);
  EXPECT_EQ(Read(tests::pickle(global("builtins", "frozenset") + "](K\x01" + "e\x85R")).root().items.size(), 1u);
}

TEST(PickleMachine, DescribesTensorsOfOtherTypesWithoutReadingThem) {
  const Read complex(tests::pickle(tensor({.type = "ComplexFloatStorage"})));
  EXPECT_EQ(complex.root().kind, Kind::kUnreadable);
  EXPECT_EQ(complex.root().text, "ComplexFloatStorage");
  EXPECT_TRUE(complex.heap().tensors.empty());
  const auto foreign = complex.heap().foreign_storages.find("0");
  ASSERT_NE(foreign, complex.heap().foreign_storages.end());
  EXPECT_EQ(foreign->second.element, 8u);
  const Read parameter(tests::pickle(global("torch._utils", "_rebuild_parameter") +
                                     tuple(tensor({.type = "QInt8Storage"}) + "\x88N") + "R"));
  EXPECT_EQ(parameter.root().kind, Kind::kUnreadable);
  const Read quantized(tests::pickle(global("torch._utils", "_rebuild_qtensor") + "(tR"));
  EXPECT_EQ(global_of(quantized, quantized.root()), "torch._utils._rebuild_qtensor");
  const Read subclass(tests::pickle(global("torch._tensor", "_rebuild_from_type_v2") +
                                    tuple(global("my", "rebuild") + global("my", "Tensor") + ")N") + "R"));
  EXPECT_EQ(global_of(subclass, subclass.root()), "my.rebuild");
}

TEST(PickleMachine, ReadsScalarsOfNumPy) {
  const auto scalar = [](const Bytes& code, const Bytes& order, const Bytes& bytes) {
    const Bytes dtype = global("numpy", "dtype") + tuple(text(code) + raw("\x89\x88")) + "R(K\x03" + text(order) +
                        "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + Bytes(1, '\0') + "tb";
    return Read(tests::pickle(global("numpy._core.multiarray", "scalar") +
                              tuple(dtype + "C" + little(bytes.size(), 1) + bytes) + "R"));
  };
  EXPECT_EQ(scalar("f8", "<", raw("\x00\x00\x00\x00\x00\x00\xf8\x3f")).root().real, 1.5);
  EXPECT_EQ(scalar("f8", ">", raw("\x3f\xf8\x00\x00\x00\x00\x00\x00")).root().real, 1.5);
  EXPECT_EQ(scalar("f4", "<", raw("\x00\x00\xc0\x3f")).root().real, 1.5);
  EXPECT_EQ(scalar("i8", "<", raw("\xfe\xff\xff\xff\xff\xff\xff\xff")).root().integer, -2);
  EXPECT_EQ(scalar("b1", "|", raw("\x01")).root().kind, Kind::kBool);
  EXPECT_EQ(scalar("f8", "<", raw("\x00")).root().kind, Kind::kOpaque);
  EXPECT_EQ(scalar("M8", "<", raw("\x00\x00\x00\x00\x00\x00\x00\x00")).root().kind, Kind::kOpaque);
}

TEST(PickleMachine, TakesValuesThatContainThemselvesOrAreDeeplyNested) {
  const Read list(
      tests::pickle(raw("]q\x00h\x00"
                        "a")));
  ASSERT_EQ(list.root().items.size(), 1u);
  EXPECT_EQ(&list.item(0), &list.root());
  EXPECT_EQ(Read(tests::pickle(raw("}q\x00}") + text("a") + raw("h\x00sb"))).root().kind, Kind::kDict);
  EXPECT_EQ(Read(tests::pickle(Bytes(10'000, ']') + Bytes(9'999, 'a'))).root().kind, Kind::kList);
}

TEST(PickleMachine, CountsOutTheNumbersOfALog) {
  // Ten million values are more than a file may have.
  const Bytes piece = "(" + repeated("G" + Bytes(8, '\0'), 1000) + "e";
  const Read log(tests::pickle("]" + repeated(piece, 1000)));
  EXPECT_TRUE(log.root().items.empty());
  EXPECT_LT(log.heap().values.size(), 10u);
  // Not those that something else refers to.
  const Read shared(tests::pickle("](" + repeated(raw("K\x01"), 999) + raw("K\x05q\x00") + "eh" + raw("\x00\x86")));
  EXPECT_EQ(shared.item(1).integer, 5);
  EXPECT_EQ(shared.item(0).items.size(), 1000u);
  const Read doubled(tests::pickle(raw("K\x05") + "](" + repeated(raw("K\x01"), 999) + raw("K\x07") + "e2\x87"));
  EXPECT_EQ(doubled.item(0).integer, 5);
}

struct HostilePickle {
  const char* name;
  Bytes bytes;
  const char* code;
  const char* says = "";
};

std::ostream& operator<<(std::ostream& out, const HostilePickle& pickle) { return out << pickle.name; }

const HostilePickle kHostile[] = {
    {"an_unknown_opcode", tests::pickle("?"), "FILE_UNSUPPORTED", "opcode"},
    {"an_object_without_a_class", tests::pickle("(o"), "FILE_CORRUPT", "class"},
    {"a_protocol_of_the_future", raw("\x80\x06N."), "FILE_CORRUPT", "protocol"},
    {"no_stop", raw("\x80\x02N"), "FILE_CORRUPT"},
    {"an_empty_stack", tests::pickle("R"), "FILE_CORRUPT", "stack"},
    {"nothing_to_return", tests::pickle(""), "FILE_CORRUPT"},
    {"no_mark", tests::pickle("Nt"), "FILE_CORRUPT", "mark"},
    {"a_pop_below_a_mark", tests::pickle("N(0"), "FILE_CORRUPT"},
    {"half_an_entry", tests::pickle("}(Nu"), "FILE_CORRUPT", "each key"},
    {"an_append_to_a_dictionary", tests::pickle("}Na"), "FILE_CORRUPT", "list"},
    {"an_entry_of_a_list", tests::pickle("]NNs"), "FILE_CORRUPT", "dictionary"},
    {"a_value_that_was_never_remembered", tests::pickle(raw("h\x05")), "FILE_CORRUPT", "memo"},
    {"a_memo_at_a_huge_place", tests::pickle("Nr" + little(0xfffffff0, 4)), "FILE_UNSUPPORTED"},
    {"a_text_longer_than_the_file", tests::pickle("X" + little(0xffffffff, 4) + "abc"), "FILE_CORRUPT"},
    {"a_memo_key_below_zero", tests::pickle("Np-1\n"), "FILE_CORRUPT", "memo"},
    {"a_memo_key_beyond_64_bits", tests::pickle("Np99999999999999999999\n"), "FILE_CORRUPT", "memo"},
    {"a_number_with_letters", tests::pickle("I1x\n"), "FILE_CORRUPT", "whole number"},
    {"a_text_without_quotes", tests::pickle("Sname\n"), "FILE_CORRUPT", "quotes"},
    {"a_line_without_an_end", tests::pickle("Vname"), "FILE_CORRUPT", "line feed"},
    {"a_long_of_4_GB", tests::pickle(raw("\x8b\xff\xff\xff\xff")), "FILE_CORRUPT"},
    {"a_million_values", tests::pickle("(" + Bytes(1'000'000, 'N') + "l"), "FILE_UNSUPPORTED"},
    {"a_million_marks", tests::pickle(Bytes(1'000'000, '(')), "FILE_UNSUPPORTED"},
    {"a_call_of_what_is_no_function", tests::pickle(global("torch", "FloatStorage") + ")R"), "FILE_CORRUPT",
     "callable"},
    {"a_shape_beyond_its_storage", tests::pickle(tensor({.shape = {4}})), "FILE_CORRUPT", "storage"},
    {"an_offset_beyond_its_storage", tests::pickle(tensor({.offset = 1})), "FILE_CORRUPT", "storage"},
    {"a_stride_beyond_its_storage", tests::pickle(tensor({.strides = {2}})), "FILE_CORRUPT", "storage"},
    {"a_negative_length", tests::pickle(tensor({.shape = {-3}})), "FILE_CORRUPT"},
    {"a_negative_stride", tests::pickle(tensor({.offset = 2, .strides = {-1}})), "FILE_CORRUPT"},
    {"a_negative_offset", tests::pickle(tensor({.offset = -1})), "FILE_CORRUPT"},
    {"a_negative_count", tests::pickle(tensor({.elements = -3})), "FILE_CORRUPT"},
    {"a_shape_that_overflows", tests::pickle(tensor({.shape = {int64_t{1} << 62, 8}, .strides = {0, 0}})),
     "FILE_CORRUPT"},
    {"strides_that_overflow", tests::pickle(tensor({.shape = {3, 3}, .strides = {int64_t{1} << 62, int64_t{1} << 62}})),
     "FILE_CORRUPT"},
    {"more_strides_than_dimensions", tests::pickle(tensor({.strides = {1, 1}})), "FILE_CORRUPT", "stride"},
    {"a_hundred_dimensions",
     tests::pickle(tensor({.shape = std::vector<int64_t>(100, 1), .strides = std::vector<int64_t>(100, 1)})),
     "FILE_CORRUPT"},
    {"a_storage_whose_bytes_overflow", tests::pickle(tensor({.elements = int64_t{1} << 62})), "FILE_CORRUPT", "memory"},
    {"a_storage_of_two_sizes", tests::pickle(tuple(tensor() + tensor({.elements = 2, .shape = {2}}))), "FILE_CORRUPT",
     "one size"},
    {"a_view_beyond_its_storage", tests::pickle(tensor({.shape = {2}, .view = tuple(text("v") + "K\x02K\x02")})),
     "FILE_CORRUPT", "view"},
};

class HostilePickles : public testing::TestWithParam<HostilePickle> {};

TEST_P(HostilePickles, AreRefusedWithTheirCode) {
  const Error error = refusal_of(GetParam().bytes);
  EXPECT_STREQ(to_string(error.code()), GetParam().code);
  EXPECT_NE(std::string(error.what()).find("weights.pt"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find(GetParam().says), std::string::npos) << error.what();
}

INSTANTIATE_TEST_SUITE_P(Pickles, HostilePickles, testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(HostilePickle, IsRefusedWhereverItIsCut) {
  const Bytes good = tests::pickle(state_dict());
  for (size_t bytes = 0; bytes < good.size(); ++bytes)
    EXPECT_STREQ(to_string(refusal_of(good.substr(0, bytes)).code()), "FILE_CORRUPT") << bytes;
}

TEST(HostilePickle, IsReadNoFurtherThanItsLimit) {
  EXPECT_STREQ(to_string(refusal_of(tests::pickle(repeated("N0", 5'000'000))).code()), "FILE_UNSUPPORTED");
}

}  // namespace
}  // namespace reviewkd::tests::pickle_machine
