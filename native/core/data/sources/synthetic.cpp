#include "core/data/sources/synthetic.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/base/error.h"
#include "core/base/random.h"

namespace reviewkd {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;

using Color = std::array<double, 3>;  // 0 … 255

// The parameters that make the classes hard to distinguish.
constexpr double kNoise = 14;       // standard deviation of the pixel noise, in steps of 0 … 255
constexpr double kHueSpread = 0.3;  // turns to either side of an outline's own hue; ½ would remove all information
constexpr double kMostTurned = 0.6; // radians to either side
constexpr double kBarChance = 0.5;  // share of pictures with a bar in front

/// A point in the shape's own frame, in which every outline fits the unit circle.
struct Point {
  double x, y;
};

bool in_polygon(Point p, int corners) {
  const double sector = 2 * std::numbers::pi / corners;
  const double angle = std::remainder(std::atan2(p.y, p.x), sector);
  return std::hypot(p.x, p.y) * std::cos(angle) < std::cos(sector / 2);
}

struct Outline {
  const char* name;
  bool (*contains)(Point);
};

constexpr std::array<Outline, kSyntheticClasses / 2> kOutlines = {{
    {"disc", [](Point p) { return std::hypot(p.x, p.y) < 0.85; }},
    {"ring", [](Point p) { return std::abs(std::hypot(p.x, p.y) - 0.7) < 0.24; }},
    {"square", [](Point p) { return std::max(std::abs(p.x), std::abs(p.y)) < 0.75; }},
    {"triangle", [](Point p) { return in_polygon(p, 3); }},
    {"star",
     [](Point p) {
       const double spike = std::remainder(std::atan2(p.y, p.x), 2 * std::numbers::pi / 5);
       return std::hypot(p.x, p.y) < 0.42 + 0.58 * (1 - std::abs(spike) / (std::numbers::pi / 5));
     }},
    {"cross",
     [](Point p) {
       return std::min(std::abs(p.x), std::abs(p.y)) < 0.27 && std::max(std::abs(p.x), std::abs(p.y)) < 0.9;
     }},
    {"crescent", [](Point p) { return std::hypot(p.x, p.y) < 0.95 && std::hypot(p.x - 0.45, p.y) > 0.75; }},
    {"half-disc", [](Point p) { return std::hypot(p.x + 0.3, p.y) < 0.95 && p.x > -0.3; }},
    {"bow-tie", [](Point p) { return std::abs(p.x) < 0.9 && std::abs(p.y) < 0.8 * std::abs(p.x) + 0.06; }},
    {"pentagon", [](Point p) { return in_polygon(p, 5); }},
}};

constexpr const char* kFills[] = {"plain", "striped"};

std::string class_name(int64_t label) {
  const auto outlines = static_cast<int64_t>(kOutlines.size());
  return std::string(kFills[label / outlines]) + " " + kOutlines[label % outlines].name;
}

/// A fully saturated colour; hue in turns.
Color hue_color(double hue, double brightness) {
  Color color;
  for (size_t i = 0; i < color.size(); ++i) {
    const double from_peak = std::abs(std::remainder(hue - static_cast<double>(i) / 3, 1.0));  // 0 … ½ turns
    color[i] = brightness * std::clamp(2 - 6 * from_peak, 0.0, 1.0);
  }
  return color;
}

/// Greys with a tint.
Color dull_color(RandomStream& random) {
  const double grey = random.uniform(40, 170);
  return {grey + random.uniform(-25, 25), grey + random.uniform(-25, 25), grey + random.uniform(-25, 25)};
}

/// Each outline favours its own hue: a hint that is often wrong, like colours in photographs.
double random_hue(int64_t outline, RandomStream& random) {
  return static_cast<double>(outline) / 10 + random.uniform(-kHueSpread, kHueSpread);
}

/// All random properties of one picture except its noise.
class Scene {
 public:
  Scene(int64_t label, RandomStream& random)
      : outline_(kOutlines[label % kOutlines.size()]),
        striped_(label >= static_cast<int64_t>(kOutlines.size())),
        center_{random.uniform(12, 20), random.uniform(12, 20)},
        radius_(random.uniform(8, 13)),
        squeeze_(random.uniform(0.8, 1.0)),
        angle_(random.uniform(-kMostTurned, kMostTurned)),
        background_{dull_color(random), dull_color(random)},
        slope_{random.uniform(-1, 1), random.uniform(-1, 1)},
        fill_(hue_color(random_hue(label % static_cast<int64_t>(kOutlines.size()), random), random.uniform(170, 255))),
        stripe_(dull_color(random)),
        stripe_width_(random.uniform(2.2, 3.4)),
        bar_color_(dull_color(random)),
        bar_angle_(random.uniform(0, std::numbers::pi)),
        bar_offset_(random.uniform(-9, 9)),
        bar_width_(random.uniform() < kBarChance ? random.uniform(1.0, 2.0) : 0.0) {}

  Color color_at(double x, double y) const {
    const double from_middle_x = x - kSide / 2.0;
    const double from_middle_y = y - kSide / 2.0;
    const double bar = from_middle_x * std::cos(bar_angle_) + from_middle_y * std::sin(bar_angle_) - bar_offset_;
    if (std::abs(bar) < bar_width_) return bar_color_;

    const double dx = x - center_.x;
    const double dy = y - center_.y;
    const Point turned{dx * std::cos(angle_) + dy * std::sin(angle_), dy * std::cos(angle_) - dx * std::sin(angle_)};
    if (outline_.contains({turned.x / radius_, turned.y / (radius_ * squeeze_)})) {
      const bool on_stripe = std::fmod(turned.x + 4 * kSide, 2 * stripe_width_) < stripe_width_;
      return striped_ && on_stripe ? stripe_ : fill_;
    }
    const double blend = std::clamp(0.5 + (from_middle_x * slope_.x + from_middle_y * slope_.y) / kSide, 0.0, 1.0);
    Color color;
    for (size_t i = 0; i < color.size(); ++i) color[i] = (1 - blend) * background_[0][i] + blend * background_[1][i];
    return color;
  }

 private:
  const Outline& outline_;
  bool striped_;
  Point center_;
  double radius_;
  double squeeze_;
  double angle_;
  std::array<Color, 2> background_;
  Point slope_;
  Color fill_;
  Color stripe_;
  double stripe_width_;
  Color bar_color_;
  double bar_angle_;
  double bar_offset_;
  double bar_width_;
};

void draw(int64_t label, uint64_t key, uint8_t* image) {
  RandomStream random(key);
  const Scene scene(label, random);
  for (int64_t y = 0; y < kSide; ++y) {
    for (int64_t x = 0; x < kSide; ++x) {
      Color sum{};
      for (const double sub_y : {0.25, 0.75}) {  // four samples per pixel soften the edges
        for (const double sub_x : {0.25, 0.75}) {
          const Color sample = scene.color_at(static_cast<double>(x) + sub_x, static_cast<double>(y) + sub_y);
          for (size_t i = 0; i < sum.size(); ++i) sum[i] += sample[i] / 4;
        }
      }
      for (size_t i = 0; i < sum.size(); ++i) {
        // The sum of four uniforms in [-½, ½) is close to normal with variance ⅓.
        const double noise = random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2;
        const double value = sum[i] + kNoise * std::numbers::sqrt3 * noise;
        image[i * kPlane + y * kSide + x] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
}

Split draw_split(uint64_t split, int64_t samples, const SyntheticOptions& options) {
  if (samples < 1)
    fail(ErrorCode::kInvalidArgument, "invalid samples of synthetic data: expected 1 or more, received ", samples, ".");
  Split result{at::empty({samples, 3, kSide, kSide}, at::kByte), at::empty({samples}, at::kLong)};
  uint8_t* images = result.images.data_ptr<uint8_t>();
  int64_t* labels = result.labels.data_ptr<int64_t>();
  at::parallel_for(0, samples, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      labels[i] = i % options.num_classes;
      draw(labels[i], key_of({options.seed, split, static_cast<uint64_t>(i)}), images + i * 3 * kPlane);
    }
  });
  return result;
}

}  // namespace

SyntheticOptions SyntheticOptions::from(const Options& source) {
  return {
      .num_classes = source.integer("numClasses"),
      .train_samples = source.integer("trainSamples"),
      .test_samples = source.integer("testSamples"),
      .seed = static_cast<uint64_t>(source.integer("seed")),
  };
}

Dataset draw_synthetic(const SyntheticOptions& options) {
  if (options.num_classes < 2 || options.num_classes > kSyntheticClasses) {
    fail(ErrorCode::kInvalidArgument, "invalid numClasses: expected 2 to ", kSyntheticClasses,
         " for synthetic data, received ", options.num_classes, ".");
  }
  Dataset dataset{.kind = "synthetic",
                  .num_classes = options.num_classes,
                  .class_names = {},
                  .normalization = {},
                  .train = {},
                  .test = {}};
  for (int64_t label = 0; label < options.num_classes; ++label) dataset.class_names.push_back(class_name(label));
  dataset.train = draw_split(0, options.train_samples, options);
  dataset.test = draw_split(1, options.test_samples, options);
  dataset.normalization = measure(dataset.train.images);
  return dataset;
}

}  // namespace reviewkd
