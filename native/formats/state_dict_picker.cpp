#include "formats/state_dict_picker.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "core/base/error.h"
#include "formats/utf8.h"

namespace reviewkd {
namespace {

using pickle::Kind;
using pickle::Value;

/// Names under which a state dict is chosen by default when there are several, for example an average of weights or a
/// teacher.
constexpr auto kUsualNames = std::to_array<std::string_view>({
    "model",
    "state_dict",
    "model_state_dict",
    "student",
    "net",
    "network",
    "weights",
    "params",
});
constexpr size_t kDeepest = 8;
constexpr size_t kMostShown = 20;
/// Non-tensor entries of a state dict that may be missing, as created by torch.nn.Module.get_extra_state.
constexpr std::string_view kExtraState = "_extra_state";
/// The attribute of the OrderedDict that holds the metadata in the package's own files.
constexpr std::string_view kMetadataAttribute = "metadata";

struct Candidate {
  std::string path;
  pickle::Id dict;
  /// The dictionaries around it, outermost first.
  std::vector<pickle::Id> around;
};

std::string_view last_name(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

/// A key of a dictionary: text, or bytes where Python 3 loaded a file of Python 2 and saved it.
bool is_name(const Value& value) { return value.kind == Kind::kText || value.kind == Kind::kBytes; }

/// In UTF-8 wherever that is possible. Strings of Python 2 are bytes: UTF-8, or else Latin-1.
std::string name_of(const Value& value) {
  if (value.encoding == TextEncoding::kUtf8) return std::string(value.text);
  const auto bytes = decoded(value.text, value.encoding);
  if (!bytes) return std::string(value.text);
  const bool is_text = value.encoding != TextEncoding::kUnicodeEscape && is_utf8(*bytes);
  return is_text ? *bytes : utf8_of_latin1(*bytes);
}

class Picker {
 public:
  Picker(const PickledFile& file, const ByteSource& source) : file_(file), heap_(file.heap), source_(source) {}

  TensorTable pick(const std::string& key) {
    look(file_.root, "", {});
    if (candidates_.empty()) {  // second pass: dictionaries that also hold other values, such as numbers
      takes_others_ = true;
      seen_.clear();
      look(file_.root, "", {});
    }
    const Candidate& chosen = choose(key);
    TensorTable table;
    table.format = file_.format;
    table.storages = file_.storages;
    table.description = file_.pickle;
    table.selection.key = chosen.path;
    for (const pickle::Id dict : chosen.around) collect_metadata(heap_.at(dict), table.metadata);
    collect_attributes(heap_.at(chosen.dict), table.metadata);
    collect_tensors(heap_.at(chosen.dict), table);
    for (const auto& candidate : candidates_) {
      if (candidate.dict != chosen.dict) table.selection.left_aside += tensors_in(heap_.at(candidate.dict));
    }
    return table;
  }

 private:
  size_t tensors_in(const Value& dict) const {
    size_t count = 0;
    for (size_t i = 1; i < dict.items.size(); i += 2) count += heap_.at(dict.items[i]).kind == Kind::kTensor;
    return count;
  }

  bool is_state_dict(const Value& value) const {
    if (value.kind != Kind::kDict) return false;
    bool has_tensor = false;
    for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const Value& name = heap_.at(value.items[i]);
      const Kind kind = heap_.at(value.items[i + 1]).kind;
      const bool fits = kind == Kind::kTensor || kind == Kind::kUnreadable || last_name(name.text) == kExtraState;
      if (!takes_others_ && (!is_name(name) || !fits)) return false;
      has_tensor = has_tensor || (is_name(name) && kind == Kind::kTensor);
    }
    return has_tensor;
  }

  /// Visits each dictionary, tuple and list once. Optimizer state has numeric keys and is skipped for that reason.
  void look(pickle::Id id, const std::string& path, std::vector<pickle::Id> around) {
    const Value& value = heap_.at(id);
    if (around.size() > kDeepest || !seen_.insert(id).second) return;
    if (is_state_dict(value)) return candidates_.push_back({path, id, around});
    around.push_back(id);
    const auto below = [&](std::string_view name) {
      return path.empty() ? std::string(name) : path + "." + std::string(name);
    };
    if (value.kind == Kind::kDict) {
      for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
        const Value& name = heap_.at(value.items[i]);
        if (is_name(name) && !name.text.empty()) look(value.items[i + 1], below(name_of(name)), around);
      }
    } else if (value.kind == Kind::kTuple || value.kind == Kind::kList) {
      for (size_t i = 0; i < value.items.size(); ++i) look(value.items[i], below(std::to_string(i)), around);
    }
  }

  const Candidate& choose(const std::string& key) const {
    if (candidates_.empty()) {
      fail(ErrorCode::kFileUnsupported, "no dictionary of named tensors in ", source_.name(),
           ". In Python, torch.save(model.state_dict(), \"weights.pt\") writes one.");
    }
    std::vector<const Candidate*> fitting;
    for (const auto& candidate : candidates_) {
      const bool fits = !key.empty() ? candidate.path == key || (last_name(candidate.path) == key)
                                     : std::find(kUsualNames.begin(), kUsualNames.end(), last_name(candidate.path)) !=
                                           kUsualNames.end();
      if (fits) fitting.push_back(&candidate);
    }
    const auto exact =
        std::find_if(fitting.begin(), fitting.end(), [&](const auto* candidate) { return candidate->path == key; });
    if (!key.empty() && exact != fitting.end()) return **exact;
    if (fitting.size() == 1) return *fitting[0];
    if (key.empty() && candidates_.size() == 1) return candidates_[0];
    refuse_choice(key);
  }

  [[noreturn]] void refuse_choice(const std::string& key) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < std::min(candidates_.size(), kMostShown); ++i) {
      names.push_back(candidates_[i].path.empty() ? "(the whole file)" : candidates_[i].path);
    }
    const std::string list = joined(names) + (candidates_.size() > kMostShown ? ", …" : "");
    if (!key.empty()) {
      throw Error(ErrorCode::kUnknownName,
                  "invalid key for " + source_.name() + ": expected one of " + list + ", received \"" + key + "\".",
                  names);
    }
    throw Error(ErrorCode::kFileUnsupported,
                "invalid weight file " + source_.name() + ": expected one state dict, received several: " + list +
                    ". Choose one with `key` (on the command line --key NAME).",
                names);
  }

  void collect_tensors(const Value& dict, TensorTable& table) const {
    std::set<std::string> names;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& key = heap_.at(dict.items[i]);
      const Value& value = heap_.at(dict.items[i + 1]);
      if (!is_name(key) || (value.kind != Kind::kTensor && value.kind != Kind::kUnreadable)) continue;
      const std::string name = name_of(key);
      if (!is_utf8(name) || !names.insert(name).second) {
        fail(ErrorCode::kFileCorrupt, "invalid names in ", source_.name(),
             ": expected unique UTF-8 names, received another after ", names.size() - 1, " tensors.");
      }
      if (value.kind == Kind::kUnreadable) refuse_entry(name, value);
      const pickle::Tensor& tensor = heap_.tensors[static_cast<size_t>(value.integer)];
      table.tensors.push_back({name, tensor.type, tensor.shape, tensor.strides, tensor.storage, tensor.offset});
    }
  }

  [[noreturn]] void refuse_entry(const std::string& name, const Value& value) const {
    fail(ErrorCode::kFileUnsupported, "invalid entry ", name, " in ", source_.name(),
         ": expected an array of floating point numbers, signed integers up to 64 bits, bytes or booleans, received ",
         is_utf8(value.text) ? value.text : "an unknown type",
         ". In Python, array.astype(\"float32\") converts it; tensors need torch.save.");
  }

  void collect_metadata(const Value& dict, Metadata& metadata) const {
    if (dict.kind != Kind::kDict) return;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& name = heap_.at(dict.items[i]);
      const auto text = plain(heap_.at(dict.items[i + 1]));
      if (text && is_name(name) && is_utf8(name_of(name))) metadata[name_of(name)] = *text;
    }
  }

  void collect_attributes(const Value& dict, Metadata& metadata) const {
    if (dict.attributes == pickle::kNothing) return;
    const Value* own = pickle::find(heap_, heap_.at(dict.attributes), kMetadataAttribute);
    if (own != nullptr) collect_metadata(*own, metadata);
  }

  std::optional<std::string> plain(const Value& value) const {
    char text[40];
    const auto written = [&](std::to_chars_result result) { return std::string(text, result.ptr); };
    switch (value.kind) {
      case Kind::kBool: return value.integer != 0 ? "true" : "false";
      case Kind::kInteger: return written(std::to_chars(text, text + sizeof text, value.integer));
      case Kind::kReal: return written(std::to_chars(text, text + sizeof text, value.real));
      case Kind::kText: {
        std::string text_in_utf8 = name_of(value);
        return is_utf8(text_in_utf8) ? std::optional(std::move(text_in_utf8)) : std::nullopt;
      }
      default: return std::nullopt;
    }
  }

  const PickledFile& file_;
  const pickle::Heap& heap_;
  const ByteSource& source_;
  std::vector<Candidate> candidates_;
  std::set<pickle::Id> seen_;
  bool takes_others_ = false;
};

}  // namespace

TensorTable pick_state_dict(const PickledFile& file, const ByteSource& source, const std::string& key) {
  return Picker(file, source).pick(key);
}

}  // namespace reviewkd
