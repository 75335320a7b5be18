#include "core/data/dataset.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/numeric.h"
#include "core/data/label_error.h"

namespace reviewkd {

Normalization Normalization::from(const Options& options) {
  Normalization result;
  for (const auto& [field, target] : {std::pair{"mean", &result.mean}, std::pair{"std", &result.std}}) {
    const std::vector<double> numbers = options.numbers(field);
    if (numbers.size() != target->size()) {
      fail(ErrorCode::kInvalidArgument, "invalid ", options.path(field), ": expected three numbers, received ",
           numbers.size(), ".");
    }
    std::copy(numbers.begin(), numbers.end(), target->begin());
  }
  return result;
}

void check_split(const Split& split, int64_t num_classes, const std::string& name, const std::string& labels_name) {
  const auto& images = split.images;
  if (images.dim() != 4 || images.size(0) < 1 || images.size(1) != 3 || images.size(2) < 1 || images.size(3) < 1) {
    fail(ErrorCode::kShapeMismatch, "invalid images of ", name, ": expected shape [N, 3, H, W], received ",
         images.sizes(), ".");
  }
  if (images.scalar_type() != at::kByte && images.scalar_type() != at::kFloat) {
    fail(ErrorCode::kDtypeMismatch, "invalid images of ", name, ": expected uint8 or float32, received ",
         type_name(images.scalar_type()), ".");
  }
  if (split.labels.dim() != 1 || split.labels.size(0) != images.size(0)) {
    fail(ErrorCode::kShapeMismatch, "invalid labels of ", name, ": expected ", images.size(0), " for ", images.size(0),
         " images, received shape ", split.labels.sizes(), ".");
  }
  const int64_t* labels = split.labels.const_data_ptr<int64_t>();
  const int64_t* bad =
      std::find_if(labels, labels + images.size(0), [&](int64_t label) { return label < 0 || label >= num_classes; });
  if (bad != labels + images.size(0)) {
    fail_label("labels of " + name, labels_name, bad - labels, *bad, 0, num_classes - 1,
               "Correct the label, or pass the right numClasses.");
  }
}

Split limited(const Split& split, std::optional<int64_t> limit) {
  if (!limit || *limit >= split.size()) return split;
  return {split.images.narrow(0, 0, *limit), split.labels.narrow(0, 0, *limit)};
}

Normalization measure(const at::Tensor& images) {
  Normalization result;
  const int64_t plane = images.size(2) * images.size(3);
  const uint8_t* pixels = images.const_data_ptr<uint8_t>();
  for (int64_t channel = 0; channel < 3; ++channel) {
    uint64_t sum = 0;
    uint64_t squares = 0;  // exact: 255² · 10^14 pixels fit
    for (int64_t image = 0; image < images.size(0); ++image) {
      const uint8_t* values = pixels + (image * 3 + channel) * plane;
      for (int64_t i = 0; i < plane; ++i) {
        sum += values[i];
        squares += static_cast<uint64_t>(values[i]) * values[i];
      }
    }
    const double count = static_cast<double>(images.size(0) * plane);
    const double mean = static_cast<double>(sum) / count;
    const double variance = static_cast<double>(squares) / count - mean * mean;
    result.mean[channel] = mean / 255;
    // A channel without any variation is left unscaled.
    result.std[channel] = variance > 0 ? std::sqrt(variance) / 255 : 1.0;
  }
  return result;
}

}  // namespace reviewkd
