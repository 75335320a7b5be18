#include "binding/detection/masks.h"

#include <ATen/ATen.h>

#include <variant>

#include "binding/detection/typed_arrays.h"
#include "binding/objects/tensor.h"
#include "binding/support/arguments.h"
#include "binding/support/async.h"
#include "formats/coco/mask_overlap.h"
#include "formats/coco/mask_shapes.h"

namespace reviewkd::binding {
namespace {

/// A mask as it was received. It is decoded on the background thread.
struct ReceivedMask {
  int64_t height, width;
  std::variant<std::string, std::vector<double>> counts;

  RunLengthMask decode(const std::string& what) const {
    if (const auto* text = std::get_if<std::string>(&counts)) return mask_of_string(*text, height, width, what);
    return mask_of_counts(std::get<std::vector<double>>(counts), height, width, what);
  }
};

ReceivedMask received_mask_of(const Napi::Value& value) {
  if (!value.IsObject()) fail(ErrorCode::kInvalidArgument, "invalid mask: expected an object, received another value.");
  const auto object = value.As<Napi::Object>();
  ReceivedMask mask{integer_of(object.Get("height"), "height"), integer_of(object.Get("width"), "width"), {}};
  const Napi::Value counts = object.Get("counts");
  if (counts.IsString()) {
    mask.counts = counts.As<Napi::String>().Utf8Value();
  } else {
    mask.counts = doubles_of(counts, "counts");
  }
  return mask;
}

std::vector<ReceivedMask> received_masks_of(const Napi::Value& value) {
  if (!value.IsArray()) fail(ErrorCode::kInvalidArgument, "invalid masks: expected an array, received another value.");
  const auto array = value.As<Napi::Array>();
  std::vector<ReceivedMask> masks;
  // NOLINTNEXTLINE(performance-inefficient-vector-operation): an array without entries may have any length.
  for (uint32_t i = 0; i < array.Length(); ++i) masks.push_back(received_mask_of(array.Get(i)));
  return masks;
}

std::vector<RunLengthMask> decode_masks(const std::vector<ReceivedMask>& masks, const char* name) {
  std::vector<RunLengthMask> result;
  result.reserve(masks.size());
  for (size_t i = 0; i < masks.size(); ++i) result.push_back(masks[i].decode(name + ("[" + std::to_string(i)) + "]"));
  return result;
}

/// A mask to be sent, with its string if it is sent compressed.
struct SentMask {
  SentMask(RunLengthMask mask, bool is_compressed) : mask(std::move(mask)) {
    if (is_compressed) text = string_of_mask(this->mask);
  }

  RunLengthMask mask;
  std::optional<std::string> text;
};

Napi::Value sent_mask_to_js(Napi::Env env, const SentMask& sent) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("height", static_cast<double>(sent.mask.height));
  object.Set("width", static_cast<double>(sent.mask.width));
  if (sent.text) {
    object.Set("counts", *sent.text);
  } else {
    Napi::Float64Array counts = Napi::Float64Array::New(env, sent.mask.counts.size());
    std::copy(sent.mask.counts.begin(), sent.mask.counts.end(), counts.Data());
    object.Set("counts", counts);
  }
  return object;
}

template <typename Work, typename Convert>
Napi::Value run_mask_work(Napi::Env env, Work work, Convert convert) {
  return run_async(env, Runtime::of(env).background(), std::move(work), convert);
}

Napi::Value tensor_to_js(Napi::Env env, const at::Tensor& tensor) { return TensorHandle::from(env, tensor); }

void check_mask_bytes(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kByte) return;
  fail(ErrorCode::kDtypeMismatch, "invalid mask: expected a tensor of uint8, received ",
       dtype_name(tensor.scalar_type()), ". Compare probabilities with a threshold first.");
}

RunLengthMask encode_pixels(const at::Tensor& mask) {
  const at::Tensor pixels = mask.to(at::kCPU).contiguous();
  return encode_mask(pixels.const_data_ptr<uint8_t>(), pixels.size(0), pixels.size(1));
}

RunLengthMask encode_tensor(const at::Tensor& tensor) {
  check_mask_bytes(tensor);
  if (tensor.dim() != 2) {
    fail(ErrorCode::kShapeMismatch, "invalid mask: expected the shape [height, width], received ", tensor.sizes(),
         ". Pass one mask at a time, or use encodeAll.");
  }
  return encode_pixels(tensor);
}

std::vector<SentMask> encode_tensors(const at::Tensor& tensor, bool is_compressed) {
  check_mask_bytes(tensor);
  if (tensor.dim() != 3) {
    fail(ErrorCode::kShapeMismatch, "invalid masks: expected the shape [N, height, width], received ", tensor.sizes(),
         ". Use encode for a single one.");
  }
  std::vector<SentMask> masks;
  masks.reserve(tensor.size(0));
  for (int64_t i = 0; i < tensor.size(0); ++i) masks.emplace_back(encode_pixels(tensor.select(0, i)), is_compressed);
  return masks;
}

at::Tensor decoded_pixels(const RunLengthMask& mask) {
  if (mask.pixels() > kMostDecodedPixels) {
    fail(ErrorCode::kInvalidArgument, "invalid mask to decode: expected at most 2^28 pixels, received ", mask.height,
         " × ", mask.width, ". Area, box, union and overlap work on masks of any size without decoding them.");
  }
  const at::Tensor pixels = at::empty({mask.height, mask.width}, at::kByte);
  decode_mask(mask, pixels.mutable_data_ptr<uint8_t>());
  return pixels;
}

void check_crowds(const std::vector<uint8_t>& is_crowd, size_t truths) {
  if (is_crowd.size() == truths) return;
  fail(ErrorCode::kShapeMismatch, "invalid crowd: expected a value for each of ", truths, " truths, received ",
       is_crowd.size(), ".");
}

/// [detections, truths], float64
template <typename Overlap>
at::Tensor overlap_matrix(size_t detections, size_t truths, const Overlap& overlap) {
  const at::Tensor matrix = at::empty({static_cast<int64_t>(detections), static_cast<int64_t>(truths)}, at::kDouble);
  double* value = matrix.mutable_data_ptr<double>();
  for (size_t i = 0; i < detections; ++i) {
    for (size_t j = 0; j < truths; ++j) *value++ = overlap(i, j);
  }
  return matrix;
}

std::vector<XywhBox> xywh_boxes_of(const at::Tensor& tensor, const char* what) {
  if (!tensor.is_floating_point()) {
    fail(ErrorCode::kDtypeMismatch, "invalid ", what, ": expected boxes as a floating-point tensor, received ",
         dtype_name(tensor.scalar_type()), ".");
  }
  if (tensor.dim() != 2 || tensor.size(1) != 4) {
    fail(ErrorCode::kShapeMismatch, "invalid ", what, ": expected boxes x, y, width, height of shape [N, 4], received ",
         tensor.sizes(), ".");
  }
  const at::Tensor values = tensor.to(at::kCPU, at::kDouble).contiguous();
  const double* value = values.const_data_ptr<double>();
  std::vector<XywhBox> boxes;
  for (int64_t i = 0; i < values.size(0); ++i, value += 4) boxes.push_back({value[0], value[1], value[2], value[3]});
  return boxes;
}

}  // namespace

Napi::Value encode_mask_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [pixels = TensorHandle::unwrap(info[0]), is_compressed = info[1].ToBoolean().Value()] {
          return SentMask(encode_tensor(*pixels), is_compressed);
        },
        sent_mask_to_js);
  });
}

Napi::Value encode_masks_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [pixels = TensorHandle::unwrap(info[0]), is_compressed = info[1].ToBoolean().Value()] {
          return encode_tensors(*pixels, is_compressed);
        },
        [](Napi::Env env, const std::vector<SentMask>& masks) -> Napi::Value {
          const Napi::Array array = Napi::Array::New(env, masks.size());
          for (uint32_t i = 0; i < masks.size(); ++i) array.Set(i, sent_mask_to_js(env, masks[i]));
          return array;
        });
  });
}

Napi::Value decode_mask_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(), [mask = received_mask_of(info[0])] { return decoded_pixels(mask.decode("mask")); }, tensor_to_js);
  });
}

Napi::Value convert_mask_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [mask = received_mask_of(info[0]), is_compressed = info[1].ToBoolean().Value()] {
          return SentMask(mask.decode("mask"), is_compressed);
        },
        sent_mask_to_js);
  });
}

Napi::Value mask_area_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(), [mask = received_mask_of(info[0])] { return mask_area(mask.decode("mask")); },
        [](Napi::Env env, int64_t area) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(area)); });
  });
}

Napi::Value mask_box_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(), [mask = received_mask_of(info[0])] { return mask_box(mask.decode("mask")); },
        [](Napi::Env env, const XywhBox& box) -> Napi::Value {
          return to_array(env, std::vector<double>{box.x, box.y, box.width, box.height});
        });
  });
}

Napi::Value mask_from_polygons(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [numbers = doubles_of(info[0], "polygons"), height = integer_of(info[1], "height"),
         width = integer_of(info[2], "width")] {
          return SentMask(mask_of_polygons(split_polygons(numbers, "mask"), height, width, "mask"), true);
        },
        sent_mask_to_js);
  });
}

Napi::Value mask_from_box(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    const std::vector<double> box = doubles_of(info[0], "box");
    if (box.size() != 4)
      fail(ErrorCode::kInvalidArgument, "invalid box: expected four numbers, received ", box.size(), ".");
    return run_mask_work(
        info.Env(),
        [box, height = integer_of(info[1], "height"), width = integer_of(info[2], "width")] {
          return SentMask(mask_of_box({box[0], box[1], box[2], box[3]}, height, width, "box"), true);
        },
        sent_mask_to_js);
  });
}

Napi::Value merge_masks_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [masks = received_masks_of(info[0]), how = info[1].ToBoolean() ? MaskMerge::kIntersection : MaskMerge::kUnion] {
          return SentMask(merge_masks(decode_masks(masks, "masks"), how), true);
        },
        sent_mask_to_js);
  });
}

Napi::Value mask_overlaps_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [found = received_masks_of(info[0]), truths = received_masks_of(info[1]),
         is_crowd = uint8s_of(info[2], "crowd")] {
          check_crowds(is_crowd, truths.size());
          const auto detection_masks = decode_masks(found, "detections"), truth_masks = decode_masks(truths, "truths");
          const std::vector<MeasuredMask> of_detections(detection_masks.begin(), detection_masks.end());
          const std::vector<MeasuredMask> of_truths(truth_masks.begin(), truth_masks.end());
          return overlap_matrix(of_detections.size(), of_truths.size(), [&](size_t i, size_t j) {
            return mask_overlap(of_detections[i], of_truths[j], is_crowd[j] != 0);
          });
        },
        tensor_to_js);
  });
}

Napi::Value box_overlaps_of(const Napi::CallbackInfo& info) {
  return translate_exceptions(info.Env(), [&] {
    return run_mask_work(
        info.Env(),
        [found = TensorHandle::unwrap(info[0]), truths = TensorHandle::unwrap(info[1]),
         is_crowd = uint8s_of(info[2], "crowd")] {
          const auto of_detections = xywh_boxes_of(*found, "detections"), of_truths = xywh_boxes_of(*truths, "truths");
          check_crowds(is_crowd, of_truths.size());
          return overlap_matrix(
                     of_detections.size(), of_truths.size(),
                     [&](size_t i, size_t j) { return box_overlap(of_detections[i], of_truths[j], is_crowd[j] != 0); })
              .to(found->scalar_type());
        },
        tensor_to_js);
  });
}

}  // namespace reviewkd::binding
