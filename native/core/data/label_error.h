#pragma once
// The error of a label that is none of the classes, which names its place.

#include <cstdint>
#include <string>

namespace reviewkd {

/// Throws LABEL_OUT_OF_RANGE: "invalid labels of train: train.labels[3] is 12: expected an integer from 0 to 9." and then
/// `fix`. what: "labels of train"; list: "train.labels".
[[noreturn]] void fail_label(const std::string& what, const std::string& list, int64_t index, int64_t label,
                             int64_t lowest, int64_t highest, const std::string& fix);

}  // namespace reviewkd
