import { z } from "zod";
import type { Detections } from "../api/detection/detector.js";
import { parse } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import type { CocoDetection } from "./coco-types.js";
import { assertDetections, detectedObjects } from "./detected-objects.js";
import { encodeAll } from "./masks.js";

const CategoryIds = z.array(z.int().nullish());

/**
 * Converts the detections of an image to COCO's results, which {@link evaluateDetections} and pycocotools read. Masks
 * are encoded as COCO's strings.
 *
 * @param imageId - the image's id in the annotations.
 * @param detections - with masks of uint8, if there are any.
 * @param categoryIds - the id of each label's category: `detector.labelCategoryIds`. Default: labels are ids, as those
 * of torchvision's detectors for COCO.
 * @throws ReviewKdError `INVALID_ARGUMENT`, for example for a label without an id; `SHAPE_MISMATCH`, `DTYPE_MISMATCH`.
 * @example
 * ```ts
 * const found = await detector.detect("000000000139.jpg");
 * const results = await toCocoResults(139, found, detector.labelCategoryIds);
 * ```
 */
export async function toCocoResults(imageId: number, detections: Detections,
  categoryIds?: readonly (number | null | undefined)[]): Promise<CocoDetection[]> {
  const id = parse(z.int(), imageId, "image id");
  assertDetections(detections);
  const ids = parse(CategoryIds.optional(), categoryIds, "category ids");
  const segmentations = detections.masks === undefined ? undefined : await encodeAll(detections.masks);
  return detectedObjects(detections).map(({ label, score, box: [x1, y1, x2, y2] }, index): CocoDetection => {
    const category = ids === undefined ? label : ids[label];
    if (category === undefined || category === null) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid category ids: expected one for label ${label}, received ${ids?.length ?? 0} ids. Pass an id for each label, the background included: detector.labelCategoryIds.`);
    }
    const segmentation = segmentations?.[index];
    return { image_id: id, category_id: category, bbox: [x1, y1, x2 - x1, y2 - y1], score,
      ...(segmentation !== undefined && { segmentation }) };
  });
}
