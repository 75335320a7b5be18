import { ReviewKdError } from "../errors.js";
import type { Detections } from "../api/detection/detector.js";
import { nativeTensor, Tensor } from "../api/tensor.js";
import { assertObject, valueText } from "../config/validation.js";

/** A detection as plain numbers. */
export interface DetectedObject {
  readonly label: number;
  readonly score: number;
  /** x1 y1 x2 y2 in pixels. */
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number];
}

/**
 * The objects of an image as plain numbers, best first as `detect` returns them.
 *
 * @throws ReviewKdError `SHAPE_MISMATCH`; `INVALID_ARGUMENT` unless they are Tensors and all values are finite.
 * @example
 * ```ts
 * const found = await detector.detect("photo.jpg");
 * for (const { label, score, box } of detectedObjects(found)) console.log(label, score, box);
 * ```
 */
export function detectedObjects(detections: Detections): DetectedObject[] {
  assertDetections(detections);
  const { boxes, scores, labels, masks } = detections;
  const count = boxes.shape[0] ?? 0;
  const expected = { boxes: [count, 4], scores: [count], labels: [count],
    ...(masks !== undefined && { masks: [count, ...masks.shape.slice(1)] }) };
  for (const [name, shape] of Object.entries(expected)) {
    const actual = ({ boxes, scores, labels, masks } as Readonly<Record<string, Detections["boxes"]>>)[name]?.shape ??
      [];
    if (actual.length === shape.length && actual.every((length, axis) => length === shape[axis])) continue;
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid ${name} of detections: expected [${shape.join(", ")}], received [${actual.join(", ")}]. Pass what detect() returns.`);
  }
  const [corners, certainty, classes] = [boxes.toTypedArray(), scores.toTypedArray(), labels.toTypedArray()];
  return Array.from({ length: count }, (_, index) => {
    const [x1, y1, x2, y2] = [0, 1, 2, 3].map((side) => finite(corners[4 * index + side], `boxes[${index}]`));
    return { label: finite(classes[index], `labels[${index}]`), score: finite(certainty[index], `scores[${index}]`),
      box: [x1, y1, x2, y2] as DetectedObject["box"] };
  });
}

/** Tensors of a worker look alike, but their values are elsewhere. */
export function assertDetections(detections: unknown): asserts detections is Detections {
  assertObject(detections, "detections");
  for (const name of ["boxes", "scores", "labels", "masks"]) {
    const value = (detections as Record<string, unknown>)[name];
    if (name === "masks" && value === undefined) continue;
    if (value instanceof Tensor) {
      nativeTensor(value, `${name} of detections`);
      continue;
    }
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid ${name} of detections: expected a Tensor of this process, received ${valueText(value)}. Pass what detect() returns; copy a worker's tensors by \`Tensor.from(await tensor.toTypedArray(), tensor.shape)\`.`);
  }
}

function finite(value: number | bigint | undefined, place: string): number {
  const number = Number(value);
  if (Number.isFinite(number)) return number;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${place} of detections: expected finite numbers, received ${number}. Check the detector's weights.`);
}
