#include "formats/weights/state_dict_picker.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "core/base/error.h"
#include "formats/utf8.h"
#include "formats/weights/saved_module.h"

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
constexpr size_t kMostListed = 6;
constexpr size_t kMostNamed = 3;
/// Bounds of the list of values that are not read, and of a name or class in it.
constexpr size_t kMostUnread = 1000;
constexpr size_t kLongestPath = 300;
/// Numbers and objects may stand among a state dict's tensors.
constexpr size_t kTensorsPerOther = 10;
/// Non-tensor entries of a state dict that may be missing, as created by torch.nn.Module.get_extra_state.
constexpr std::string_view kExtraState = "_extra_state";
/// The attribute of the OrderedDict that holds the metadata in the package's own files.
constexpr std::string_view kMetadataAttribute = "metadata";

using Entries = std::vector<std::pair<std::string, pickle::Id>>;

struct Candidate {
  std::string path;
  /// A dictionary or a whole module.
  pickle::Id object;
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
      unread_.clear();
      look(file_.root, "", {});
    }
    const Candidate& chosen = choose(key);
    TensorTable table;
    table.format = file_.format;
    table.storages = file_.storages;
    table.description = file_.pickle;
    table.selection.key = chosen.path;
    const Value& object = heap_.at(chosen.object);
    for (const pickle::Id dict : chosen.around) collect_metadata(heap_.at(dict), table.metadata);
    collect_metadata(object, table.metadata);
    collect_attributes(object, table.metadata);
    collect_tensors(entries_of(chosen), table);
    table.unread.insert(table.unread.end(), unread_.begin(), unread_.end());
    for (const auto& candidate : candidates_) {
      if (candidate.object != chosen.object) table.selection.left_aside += tensors_in(entries_of(candidate));
    }
    if (!is_path(chosen, key) && !keep_below(table, key)) refuse_choice(key);
    return table;
  }

 private:
  /// Entries with a name, whatever their values.
  Entries entries_of(const Candidate& candidate) const {
    const Value& object = heap_.at(candidate.object);
    if (object.kind != Kind::kDict) return saved_module_entries(heap_, candidate.object);
    Entries entries;
    for (size_t i = 0; i + 1 < object.items.size(); i += 2) {
      const Value& name = heap_.at(object.items[i]);
      if (is_name(name)) entries.emplace_back(name_of(name), object.items[i + 1]);
    }
    return entries;
  }

  size_t tensors_in(const Entries& entries) const {
    return static_cast<size_t>(std::count_if(entries.begin(), entries.end(), [&](const auto& entry) {
      return heap_.at(entry.second).kind == Kind::kTensor;
    }));
  }

  /// A dictionary of tensors with names, and few other values: at most a tenth, unless others are taken.
  bool is_state_dict(const Value& value) const {
    if (value.kind != Kind::kDict) return false;
    size_t tensors = 0;
    size_t others = 0;
    bool has_readable = false;
    for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const Value& name = heap_.at(value.items[i]);
      const Kind kind = heap_.at(value.items[i + 1]).kind;
      const bool is_tensor = is_name(name) && (kind == Kind::kTensor || kind == Kind::kUnreadable);
      if (!is_name(name) && !takes_others_) return false;
      has_readable = has_readable || (is_name(name) && kind == Kind::kTensor);
      if (is_tensor) {
        ++tensors;
      } else if (last_name(name.text) != kExtraState) {
        ++others;
      }
    }
    return has_readable && (takes_others_ || others * kTensorsPerOther <= tensors);
  }

  /// Visits each dictionary, tuple and list once. Optimizer state has numeric keys and is skipped for that reason.
  void look(pickle::Id id, const std::string& path, std::vector<pickle::Id> around) {
    const Value& value = heap_.at(id);
    if (around.size() > kDeepest || !seen_.insert(id).second) return;
    const bool is_module = is_saved_module(heap_, value);
    if (is_state_dict(value) || (is_module && tensors_in(saved_module_entries(heap_, id)) > 0))
      return candidates_.push_back({path, id, around});
    if (value.kind == Kind::kOpaque || value.kind == Kind::kUnreadable) add_unread(path, value, false, unread_);
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

  void add_unread(const std::string& name, const Value& value, bool is_entry, std::vector<UnreadValue>& unread) const {
    if (unread.size() >= kMostUnread || name.size() > kLongestPath || !is_utf8(name)) return;
    unread.push_back({name, type_of(value), is_entry});
  }

  /// The class of an opaque value, or a description of what cannot be read.
  std::string type_of(const Value& value) const {
    std::string type(value.text);
    if (value.kind == Kind::kOpaque) {
      const auto& [module, name] = heap_.globals[static_cast<size_t>(value.integer)];
      type = std::string(module) + (module.empty() ? "" : ".") + std::string(name);
    }
    return type.empty() || type.size() > kLongestPath || !is_utf8(type) ? "an unknown type" : type;
  }

  bool has_key_in_names(const Candidate& candidate, const std::string& key) const {
    std::vector<std::string> names;
    for (const auto& [name, id] : entries_of(candidate)) names.push_back(name);
    return has_names_below(std::move(names), key);
  }

  static bool is_path(const Candidate& candidate, const std::string& key) {
    return key.empty() || candidate.path == key || last_name(candidate.path) == key;
  }

  const Candidate& choose(const std::string& key) const {
    if (candidates_.empty()) refuse_content();
    std::vector<const Candidate*> fitting;
    for (const auto& candidate : candidates_) {
      const bool fits = !key.empty() ? is_path(candidate, key)
                                     : std::find(kUsualNames.begin(), kUsualNames.end(), last_name(candidate.path)) !=
                                           kUsualNames.end();
      if (fits) fitting.push_back(&candidate);
    }
    const auto exact =
        std::find_if(fitting.begin(), fitting.end(), [&](const auto* candidate) { return candidate->path == key; });
    if (!key.empty() && exact != fitting.end()) return **exact;
    if (fitting.size() == 1) return *fitting[0];
    if (key.empty() && candidates_.size() == 1) return candidates_[0];
    // Otherwise the key is the beginning of names in one of them.
    if (!key.empty() && fitting.empty()) {
      for (const auto& candidate : candidates_) {
        if (has_key_in_names(candidate, key)) fitting.push_back(&candidate);
      }
      if (fitting.size() == 1) return *fitting[0];
    }
    refuse_choice(key);
  }

  /// Says what the file holds instead of a state dict.
  [[noreturn]] void refuse_content() const {
    const Value& root = heap_.at(file_.root);
    std::vector<std::string> held;
    if (root.kind == Kind::kDict) {
      for (size_t i = 0; i + 1 < root.items.size() && held.size() < kMostListed; i += 2) {
        const Value& name = heap_.at(root.items[i]);
        if (is_name(name) && name.text.size() <= kLongestPath) held.push_back(name_of(name));
      }
    }
    std::string content = held.empty() ? "" : ", received one with " + joined(held);
    if (root.kind == Kind::kOpaque) content = ", received an object of " + type_of(root);
    if (root.kind == Kind::kTensor) content = ", received a single tensor";
    if (root.kind == Kind::kList || root.kind == Kind::kTuple) content = ", received a list";
    for (size_t i = 0; i < std::min(unread_.size(), kMostNamed) && !unread_[0].name.empty(); ++i) {
      content += (i == 0 ? "; not read: " : ", ") + unread_[i].name + " (" + unread_[i].type + ")";
    }
    fail(ErrorCode::kFileUnsupported, "invalid weight file ", source_.name(),
         ": expected a dictionary of named tensors", is_utf8(content) ? content : "",
         ". In Python, torch.save(model.state_dict(), \"weights.pt\") writes one.");
  }

  [[noreturn]] void refuse_choice(const std::string& key) const {
    std::vector<std::string> names;
    for (const auto& candidate : candidates_) {
      if (!candidate.path.empty() && names.size() < kMostShown) names.push_back(candidate.path);
    }
    const std::string list = joined(names) + (candidates_.size() > kMostShown ? ", …" : "");
    if (key.empty()) {
      throw Error(ErrorCode::kFileUnsupported,
                  "invalid weight file " + source_.name() + ": expected one state dict, received several: " + list +
                      ". Choose one with `key`.",
                  names);
    }
    const std::string expected =
        names.empty() ? "none, because it holds a single state dict, or a beginning of its names" : "one of " + list;
    throw Error(ErrorCode::kUnknownName,
                "invalid key for " + source_.name() + ": expected " + expected + ", received \"" + key + "\".", names);
  }

  void collect_tensors(const Entries& entries, TensorTable& table) const {
    std::set<std::string> names;
    for (const auto& [name, id] : entries) {
      const Value& value = heap_.at(id);
      if (value.kind == Kind::kUnreadable || value.kind == Kind::kOpaque) add_unread(name, value, true, table.unread);
      if (value.kind != Kind::kTensor) continue;
      if (!is_utf8(name) || !names.insert(name).second) {
        fail(ErrorCode::kFileCorrupt, "invalid names in ", source_.name(),
             ": expected unique UTF-8 names, received another after ", names.size() - 1, " tensors.");
      }
      const pickle::Tensor& tensor = heap_.tensors[static_cast<size_t>(value.integer)];
      table.tensors.push_back({name, tensor.type, tensor.shape, tensor.strides, tensor.storage, tensor.offset});
    }
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
  std::vector<UnreadValue> unread_;
  bool takes_others_ = false;
};

}  // namespace

TensorTable pick_state_dict(const PickledFile& file, const ByteSource& source, const std::string& key) {
  return Picker(file, source).pick(key);
}

}  // namespace reviewkd
