#include "formats/pickle/pickle_scalars.h"

#include <bit>
#include <charconv>
#include <limits>
#include <locale>
#include <sstream>
#include <string>
#include <utility>

#include "formats/little_endian.h"

namespace reviewkd::pickle {
namespace {

// Longer ones stay in the file: elements of arrays. Texts of Python 3 are also class names and configurations, which
// are metadata.
constexpr uint64_t kLongestBytes = 1024;
constexpr uint64_t kLongestText = uint64_t{64} << 10;

/// As Python's repr has them.
constexpr std::pair<std::string_view, double> kNotFinite[] = {
    {"inf", std::numeric_limits<double>::infinity()},
    {"-inf", -std::numeric_limits<double>::infinity()},
    {"nan", std::numeric_limits<double>::quiet_NaN()},
};

template <size_t Bytes>
uint64_t number(Input& input) {
  return little_endian<Bytes>(input.take(Bytes).data());
}

Value big_integer(std::string_view text) {
  Value value;
  value.kind = Kind::kBigInteger;
  value.text = text;
  return value;
}

double real_of(std::string_view big_endian) {
  uint64_t bits = 0;
  for (const char c : big_endian) bits = (bits << 8) | static_cast<uint8_t>(c);
  return std::bit_cast<double>(bits);
}

/// Two's complement, least significant byte first, of minimal length.
Value long_value(std::string_view bytes) {
  if (bytes.size() > 8) return big_integer(bytes);
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) value = (value << 8) | static_cast<uint8_t>(bytes[i]);
  return integer_value(Kind::kInteger, static_cast<int64_t>(value));
}

Value decimal(const Input& input, std::string_view line) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (line.empty() || end != line.data() + line.size()) fail_corrupt(input, "a whole number");
  return error == std::errc() ? integer_value(Kind::kInteger, number) : big_integer(line);
}

/// Protocol 0 also writes booleans as numbers.
Value int_line(Input& input) {
  const std::string_view line = input.line();
  if (line == "00" || line == "01") return integer_value(Kind::kBool, line == "01");
  return decimal(input, line);
}

Value long_line(Input& input) {
  std::string_view line = input.line();
  if (line.ends_with('L')) line.remove_suffix(1);
  return decimal(input, line);
}

Value float_line(Input& input) {
  const std::string_view text = input.line();
  for (const auto& [name, real] : kNotFinite) {
    if (text == name) return real_value(real);
  }
  // A stream in the classic locale, as not every standard library has std::from_chars for it.
  std::istringstream line{std::string(text)};
  line.imbue(std::locale::classic());
  double real = 0;
  if (!(line >> real)) fail_corrupt(input, "a number");
  return real_value(real);
}

Value string_value(Input& input, Kind kind, TextEncoding encoding, uint64_t bytes) {
  Value value;
  value.kind = kind;
  value.encoding = encoding;
  value.position = input.position();
  value.bytes = bytes;
  // Counted once for each text, so that many references to one take no more time.
  std::optional<uint64_t> decoded;
  if (bytes <= (encoding == TextEncoding::kUtf8 ? kLongestText : kLongestBytes)) {
    value.text = input.take(bytes);
    decoded = decoded_bytes(value.text, encoding);
  } else {
    value.kind = Kind::kLongText;
    input.skip(bytes);
    decoded = decoded_bytes(input.source(), value.position, bytes, encoding);
  }
  value.integer = decoded ? static_cast<int64_t>(*decoded) : -1;
  return value;
}

/// A text between quotes.
Value quoted_line(Input& input) {
  const uint64_t bytes = input.line_bytes();
  const uint8_t quote = input.byte();
  if (bytes < 2 || (quote != '\'' && quote != '"')) fail_corrupt(input, "a text in quotes");
  Value value = string_value(input, Kind::kText, TextEncoding::kStringEscape, bytes - 2);
  if (input.byte() != quote) fail_corrupt(input, "a closing quote");
  input.byte();
  return value;
}

Value unicode_line(Input& input) {
  const uint64_t bytes = input.line_bytes();
  Value value = string_value(input, Kind::kText, TextEncoding::kUnicodeEscape, bytes);
  input.byte();
  return value;
}

std::optional<Value> read_string(Input& input, Opcode opcode) {
  const auto text = [&](TextEncoding encoding, uint64_t bytes) {
    return string_value(input, Kind::kText, encoding, bytes);
  };
  const auto bytes = [&](uint64_t count) { return string_value(input, Kind::kBytes, TextEncoding::kNone, count); };
  switch (opcode) {
    case kShortBinUnicode: return text(TextEncoding::kUtf8, input.byte());
    case kBinUnicode: return text(TextEncoding::kUtf8, number<4>(input));
    case kBinUnicode8: return text(TextEncoding::kUtf8, number<8>(input));
    // Python 2 has no other strings, for the names of parameters as well as for the bytes of arrays.
    case kShortBinString: return text(TextEncoding::kNone, input.byte());
    case kBinString: return text(TextEncoding::kNone, number<4>(input));
    case kShortBinBytes: return bytes(input.byte());
    case kBinBytes: return bytes(number<4>(input));
    case kBinBytes8:
    case kByteArray8: return bytes(number<8>(input));
    case kString: return quoted_line(input);
    case kUnicode: return unicode_line(input);
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<Value> read_scalar(Input& input, Opcode opcode) {
  switch (opcode) {
    case kNone: return Value();
    case kNewTrue:
    case kNewFalse: return integer_value(Kind::kBool, opcode == kNewTrue);
    case kBinInt: return integer_value(Kind::kInteger, static_cast<int32_t>(number<4>(input)));
    case kBinInt1: return integer_value(Kind::kInteger, input.byte());
    case kBinInt2: return integer_value(Kind::kInteger, static_cast<int64_t>(number<2>(input)));
    case kInt: return int_line(input);
    case kLong: return long_line(input);
    case kLong1: return long_value(input.take(input.byte()));
    case kLong4: return long_value(input.take(number<4>(input)));
    case kFloat: return float_line(input);
    case kBinFloat: return real_value(real_of(input.take(8)));
    default: return read_string(input, opcode);
  }
}

uint64_t read_memo_key(Input& input) {
  const Value key = decimal(input, input.line());
  if (key.kind != Kind::kInteger || key.integer < 0) fail_corrupt(input, "a key of the memo");
  return static_cast<uint64_t>(key.integer);
}

}  // namespace reviewkd::pickle
