#include "binding/detection/evaluation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "binding/detection/typed_arrays.h"
#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "binding/support/stop_flag.h"
#include "core/tasks/detection/coco_evaluator.h"
#include "core/tasks/detection/voc_evaluator.h"

namespace reviewkd::binding {
namespace {

/// Images whose masks are in memory at a time.
constexpr size_t kImagesAtOnce = 256;

/// The result as JavaScript sees it, computed in the background.
struct DetectionScores {
  using Named = std::vector<std::pair<const char*, double>>;

  Named stats;
  std::vector<Named> per_category;
  /// COCO's recall of each category for each overlap.
  std::vector<std::vector<double>> recall_per_iou;
  /// Tensors of COCO's results by name.
  std::vector<std::pair<const char*, at::Tensor>> tensors;
};

DetectionScores scores_of(const CocoSummary& summary) {
  const CocoStats& s = summary.stats;
  DetectionScores scores;
  scores.stats = {{"ap", s.ap},
                  {"ap50", s.ap50},
                  {"ap75", s.ap75},
                  {"apSmall", s.ap_small},
                  {"apMedium", s.ap_medium},
                  {"apLarge", s.ap_large},
                  {"ar1", s.ar1},
                  {"ar10", s.ar10},
                  {"ar100", s.ar100},
                  {"arSmall", s.ar_small},
                  {"arMedium", s.ar_medium},
                  {"arLarge", s.ar_large}};
  for (const CocoCategory& category : summary.per_category) {
    scores.per_category.push_back({{"ap", category.ap}, {"ap50", category.ap50}});
    scores.recall_per_iou.emplace_back(category.recall.begin(), category.recall.end());
  }
  const auto size = [](size_t length) { return static_cast<int64_t>(length); };
  const auto tensor = [](const std::vector<double>& values, const std::vector<int64_t>& shape) {
    return at::from_blob(const_cast<double*>(values.data()), shape, at::kDouble).clone();
  };
  const int64_t thresholds = size(kThresholds), recalls = size(kRecalls),
                categories = size(summary.per_category.size()), areas = size(kAreas), limits = size(kLimits);
  scores.tensors = {{"precision", tensor(summary.precision, {thresholds, recalls, categories, areas, limits})},
                    {"recall", tensor(summary.recall, {thresholds, categories, areas, limits})},
                    {"scores", tensor(summary.scores, {thresholds, recalls, categories, areas, limits})}};
  return scores;
}

DetectionScores scores_of(const VocSummary& summary) {
  const auto named = [](const VocPrecision& precision) -> DetectionScores::Named {
    return {{"ap", precision.ap}, {"ap50", precision.ap50}, {"ap75", precision.ap75}};
  };
  DetectionScores scores;
  scores.stats = named(summary.stats);
  for (const VocPrecision& category : summary.per_category) scores.per_category.push_back(named(category));
  return scores;
}

template <typename Evaluator>
DetectionScores evaluate_table(Evaluator evaluator, const InstanceTable& table, const std::atomic<bool>& stop) {
  for (size_t first = 0; first < table.size(); first += kImagesAtOnce) {
    if (stop) fail(ErrorCode::kAborted, "the evaluation was stopped.");
    evaluator.add(table.images(first, std::min(first + kImagesAtOnce, table.size())));
  }
  return scores_of(evaluator.summarize());
}

DetectionScores evaluate_table(const DetectionEvaluation& evaluation, const std::atomic<bool>& stop) {
  const auto& [kind, metric, categories, table] = evaluation;
  switch (metric) {
    case DetectionMetric::kVoc2007: return evaluate_table(VocEvaluator(categories, kind, VocRule::k2007), table, stop);
    case DetectionMetric::kVoc2010: return evaluate_table(VocEvaluator(categories, kind, VocRule::k2010), table, stop);
    default: return evaluate_table(CocoEvaluator(categories, kind), table, stop);
  }
}

Napi::Object scores_object(Napi::Env env, const DetectionScores::Named& values) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, value] : values) object.Set(name, value);
  return object;
}

Napi::Value scores_to_js(Napi::Env env, const DetectionScores& scores) {
  Napi::Array per_category = Napi::Array::New(env, scores.per_category.size());
  for (uint32_t k = 0; k < scores.per_category.size(); ++k) {
    Napi::Object category = scores_object(env, scores.per_category[k]);
    if (!scores.recall_per_iou.empty()) category.Set("recallPerIou", to_array(env, scores.recall_per_iou[k]));
    per_category.Set(k, category);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("stats", scores_object(env, scores.stats));
  object.Set("perCategory", per_category);
  for (const auto& [name, tensor] : scores.tensors) object.Set(name, TensorHandle::from(env, tensor));
  return object;
}

InstanceRows rows_of(const Napi::Object& object) {
  InstanceRows rows;
  rows.are_truths = object.Get("areTruths").ToBoolean();
  rows.first = integer_of(object.Get("first"), "first");
  rows.image = uint32s_of(object.Get("image"), "image");
  rows.category = uint32s_of(object.Get("category"), "category");
  rows.flags = uint8s_of(object.Get("flags"), "flags");
  rows.values = doubles_of(object.Get("values"), "values");
  rows.forms = uint8s_of(object.Get("forms"), "forms");
  rows.sizes = doubles_of(object.Get("sizes"), "sizes");
  rows.number_ends = uint32s_of(object.Get("numberEnds"), "numberEnds");
  rows.text_ends = uint32s_of(object.Get("textEnds"), "textEnds");
  rows.numbers = doubles_of(object.Get("numbers"), "numbers");
  rows.text = string_of(object.Get("text"), "text");
  return rows;
}

}  // namespace

void DetectionEvaluationHandle::define(Napi::Env env) {
  Handle::define(env, InstanceMethod("addImages", &DetectionEvaluationHandle::add_images),
                 InstanceMethod("addRows", &DetectionEvaluationHandle::add_rows),
                 InstanceMethod("compute", &DetectionEvaluationHandle::compute));
}

Napi::Value DetectionEvaluationHandle::add_images(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const auto ids = doubles_of(info[0], "ids"), sizes = doubles_of(info[1], "sizes");
    if (sizes.size() != 2 * ids.size())
      fail(ErrorCode::kInvalidArgument, "invalid sizes: expected two for each image, received ", sizes.size(), ".");
    std::vector<EvaluatedImage> images;
    images.reserve(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      images.push_back(
          {static_cast<int64_t>(ids[i]), static_cast<int64_t>(sizes[2 * i]), static_cast<int64_t>(sizes[2 * i + 1])});
    }
    resource()->table.add_images(std::move(images));
    return info.Env().Undefined();
  });
}

Napi::Value DetectionEvaluationHandle::add_rows(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    if (!info[0].IsObject()) fail(ErrorCode::kInvalidArgument, "invalid rows: expected an object.");
    resource()->table.add(rows_of(info[0].As<Napi::Object>()));
    return info.Env().Undefined();
  });
}

Napi::Value DetectionEvaluationHandle::compute(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    // A later call changes the emptied table, never the one that is being read.
    auto evaluation = std::make_shared<const DetectionEvaluation>(std::exchange(
        *resource(), {resource()->kind, resource()->metric, resource()->categories, InstanceTable(resource()->kind)}));
    return run_async(
        info.Env(), Runtime::of(info.Env()).background(),
        [evaluation = std::move(evaluation), stop = StopFlagHandle::unwrap(info[0])]() mutable {
          // Freed here, on the background thread.
          const auto owned = std::exchange(evaluation, nullptr);
          return evaluate_table(*owned, *stop);
        },
        scores_to_js);
  });
}

Napi::Value new_detection_evaluation(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const Options options = options_of(info[0], "evaluation options");
    const auto kind =
        options.choice<OverlapKind>("kind", {{"bbox", OverlapKind::kBoxes}, {"segm", OverlapKind::kMasks}});
    const auto metric = options.choice<DetectionMetric>("metric", {{"coco", DetectionMetric::kCoco},
                                                                   {"voc2007", DetectionMetric::kVoc2007},
                                                                   {"voc2010", DetectionMetric::kVoc2010}});
    return DetectionEvaluationHandle::create(info.Env(),
                                             std::make_shared<DetectionEvaluation>(DetectionEvaluation{
                                                 kind, metric, options.integer("categories"), InstanceTable(kind)}),
                                             0);
  });
}

}  // namespace reviewkd::binding
