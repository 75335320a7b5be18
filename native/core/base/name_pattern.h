#pragma once
// Renames dotted names by pairs of patterns, so that one table serves both directions.

#include <optional>
#include <string>
#include <string_view>

namespace reviewkd {

/// The name by the pattern `to` if it matches the pattern `from`. In both, `{i}` is a decimal number without leading
/// zeros, `{i+1}`, `{i-1}` and `{2i}` one that depends on it, and a final `*` the last part of a name, without dots:
/// map_name("res3.0.conv2.weight", "res{k+1}.{i}.conv{j}.*", "layer{k}.{i}.conv{j}.*") is "layer2.0.conv2.weight".
/// Patterns with the same letters are exact inverses of each other.
std::optional<std::string> map_name(std::string_view name, std::string_view from, std::string_view to);

}  // namespace reviewkd
