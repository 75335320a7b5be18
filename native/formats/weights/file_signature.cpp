#include "formats/weights/file_signature.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/base/error.h"
#include "formats/utf8.h"

namespace reviewkd {
namespace {

using namespace std::string_view_literals;

/// The kind of a file, and the way out.
struct Finding {
  std::string_view kind;
  std::string_view remedy;
  ErrorCode code = ErrorCode::kFileUnsupported;
};

struct Signature {
  size_t offset;
  std::string_view bytes;
  Finding finding;
};

constexpr std::string_view kDownload =
    "The download did not give the file but a page about it: open the address in a browser, and download it again";
constexpr std::string_view kOtherFramework =
    "Pass weights that PyTorch has written; other frameworks name and order them differently";
constexpr std::string_view kOther = "Pass a file of weights";

constexpr auto kSignatures = std::to_array<Signature>({
    {0,
     "version https://git-lfs.github.com/"sv,
     {"a pointer of Git LFS, which stands for a file that was not downloaded",
      "Run git lfs pull in the repository, or download the file itself"}},
    {0, "\x89HDF\r\n\x1a\n"sv, {"an HDF5 file, as Keras and MATLAB write them", kOtherFramework}},
    {0,
     "\x93NUMPY"sv,
     {"a single array of NumPy", "In Python, pickle.dump({\"name\": array}, file) writes arrays with their names"}},
    {0, "\x1f\x8b"sv, {"a file compressed with gzip", "Unpack it first, for example with gunzip"}},
    {0, "BZh"sv, {"a file compressed with bzip2", "Unpack it first, for example with bunzip2"}},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     {"a file compressed with xz", "Unpack it first, for example with unxz"}},
    {0, "\x28\xb5\x2f\xfd"sv, {"a file compressed with zstd", "Unpack it first, for example with unzstd"}},
    {0, "7z\xbc\xaf\x27\x1c"sv, {"a 7z archive", "Unpack it first"}},
    {0, "Rar!\x1a\x07"sv, {"a RAR archive", "Unpack it first"}},
    {0, "GGUF"sv, {"a GGUF file of a language model", "Pass weights of an image network"}},
    {4, "TFL3"sv, {"a TensorFlow Lite model", "Pass the weights that it was converted from"}},
    {0, "\x89PNG\r\n\x1a\n"sv, {"a PNG image", kOther}},
    {0, "\xff\xd8\xff"sv, {"a JPEG image", kOther}},
    {0,
     "\x7f"
     "ELF"sv,
     {"a program or library", kOther}},
    {0, "GIF8"sv, {"a GIF image", kOther}},
    {8, "WEBP"sv, {"a WebP image", kOther}},
    {0, "II*\0"sv, {"a TIFF image", kOther}},
    {0, "MM\0*"sv, {"a TIFF image", kOther}},
    {0, "MZ"sv, {"a program or library of Windows", kOther}},
    {0, "\0asm"sv, {"a WebAssembly module", kOther}},
    {0, "%PDF-"sv, {"a PDF document", kOther}},
    {0, "PAR1"sv, {"a Parquet table", kOther}},
    {0, "ARROW1"sv, {"an Arrow table", kOther}},
    {0, "SQLite format 3\0"sv, {"an SQLite database", kOther}},
    {0, "MATLAB 5.0 MAT-file"sv, {"a MAT-file of MATLAB", kOtherFramework}},
});

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

/// Without a byte order mark and spaces.
std::string_view begin_of_text(std::string_view head) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (head.starts_with(kMark)) head.remove_prefix(kMark.size());
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  return head;
}

bool is_text(std::string_view head) {
  // A character of several bytes may be cut at the end.
  for (size_t cut = 0; cut < 4 && cut <= head.size(); ++cut) {
    const std::string_view whole = head.substr(0, head.size() - cut);
    if (whole.empty()) return false;
    if (!is_utf8(whole)) continue;
    return std::all_of(whole.begin(), whole.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
    });
  }
  return false;
}

/// The torch.save format of 2017 and earlier begins with its own records.
Finding tar_finding(std::string_view head) {
  const std::string_view first = head.substr(0, std::min(head.find('\0'), size_t{100}));
  if (first == "storages" || first == "sys_info" || first == "tensors" || first == "pickle") {
    return {"a tar archive, the layout of torch.save before PyTorch 0.1.10",
            "In Python, torch.save(torch.load(\"old.pt\", weights_only=False), \"new.pt\") converts it"};
  }
  return {"a tar archive", "Unpack it first with tar -xf, and pass the file of weights in it"};
}

Finding text_finding(std::string_view text) {
  const std::string begin = lower(text.substr(0, 64));
  if (begin.starts_with("<!doctype html") || begin.starts_with("<html") || begin.starts_with("<head")) {
    return {"a web page (HTML)", kDownload};
  }
  if (begin.starts_with("<")) return {"a text in XML", kDownload};
  if (begin.starts_with("{") || begin.starts_with("[")) {
    return {"a text in JSON",
            "An index of shards must have the extension .json; otherwise download the file of weights itself"};
  }
  return {"a text", kOther};
}

/// ir_version, then a field of ModelProto's beginning: producer_name, producer_version, domain or graph.
bool is_onnx(std::string_view head) {
  constexpr std::string_view kSecondFields = "\x12\x1a\x22\x3a";
  return head.size() > 3 && head[0] == '\x08' && head[1] > 0 && head[1] < 32 &&
         kSecondFields.find(head[2]) != std::string_view::npos;
}

/// saved_model_schema_version 1, then meta_graphs; ONNX's own version is 3 or more.
bool is_saved_model(std::string_view head) { return head.starts_with("\x08\x01\x12"); }

/// A dictionary of at most 15 entries whose first key is a short text, or a longer dictionary. 0x80 begins a pickle.
bool is_message_pack(std::string_view head) {
  if (head.size() < 3) return false;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(head[i]); };
  const auto is_text = [&](size_t i) { return byte(i) > 0xa0 && byte(i) < 0xc0; };
  return (byte(0) > 0x80 && byte(0) < 0x90 && is_text(1)) || (byte(0) == 0xde && head.size() > 3 && is_text(3));
}

bool is_zeros(std::string_view head) {
  return head.size() >= 8 && head.find_first_not_of('\0') == std::string_view::npos;
}

std::optional<Finding> recognize(std::string_view head) {
  for (const auto& signature : kSignatures) {
    if (head.size() >= signature.offset && head.substr(signature.offset).starts_with(signature.bytes))
      return signature.finding;
  }
  if (head.size() >= 262 && head.substr(257, 5) == "ustar") return tar_finding(head);
  if (is_saved_model(head)) return Finding{"a SavedModel of TensorFlow", "Pass weights that PyTorch has written"};
  if (is_onnx(head)) {
    return Finding{"an ONNX model", "Pass the weights that it was exported from, such as a file of torch.save"};
  }
  if (is_message_pack(head)) {
    return Finding{"a MessagePack file, as Flax writes them", kOtherFramework};
  }
  if (is_zeros(head)) {
    return Finding{"only zeros at its beginning, as an interrupted copy or download leaves them",
                   "Copy or download it again", ErrorCode::kFileCorrupt};
  }
  const std::string_view text = begin_of_text(head);
  if (!text.empty() && is_text(head)) return text_finding(text);
  return std::nullopt;
}

/// By its name, or as JSON that follows the eight bytes of its length.
bool may_be_safetensors(const std::string& name, std::string_view head) {
  return lower(name).ends_with(".safetensors") || (head.size() > 8 && head[8] == '{');
}

/// The first line of a text, for the message.
std::string first_line(std::string_view head) {
  constexpr size_t kLongest = 80;
  const std::string_view text = begin_of_text(head);
  if (!is_text(head)) return "";
  std::string line(text.substr(0, std::min(text.find_first_of("\r\n"), kLongest)));
  while (!line.empty() && !is_utf8(line)) line.pop_back();
  return ": " + line;
}

/// The first bytes, such as "1f 8b 08".
std::string in_hex(std::string_view head) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr size_t kMost = 8;
  std::string text;
  for (const char c : head.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    text += text.empty() ? "" : " ";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

void refuse_other_file(const std::string& name, std::string_view head) {
  const auto finding = recognize(head);
  if (!finding && may_be_safetensors(name, head)) return;
  const bool shows_text = finding && finding->kind.starts_with("a text");
  fail(finding ? finding->code : ErrorCode::kFileUnsupported, "invalid weight file ", name,
       ": expected .safetensors, a file of torch.save or a pickle of NumPy arrays, received ",
       finding ? std::string(finding->kind) : "a file of an unknown kind that begins with the bytes " + in_hex(head),
       shows_text ? first_line(head) : "", ". ", finding ? finding->remedy : kOther, ".");
}

}  // namespace reviewkd
