#pragma once
// The names that other libraries give to the entries of networks that the registry has, too.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reviewkd {

/// A library's names for a family of networks.
struct NameLayout {
  /// Of library and family, for messages; empty for the registry's own names.
  std::string title;
  /// The registry's name of an entry; nullopt for a name that is none of this layout.
  std::optional<std::string> (*own)(std::string_view name);
  /// Why that library's network has other outputs with the same weights; empty if it has the same.
  std::string difference = {};
};

/// The registry's own names first, then Hugging Face transformers', timm's, OpenMMLab's mmpretrain's and torchvision's.
const std::vector<NameLayout>& name_layouts();

}  // namespace reviewkd
