// The batches of a step with their tensors in native memory.
import { valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import type { TensorTree } from "../native.js";
import type { AnyBatch } from "./dataset.js";
import { nativeTensor } from "./tensor.js";

/**
 * The batches of one step as native code takes them, which checks shapes and values.
 *
 * @param kind - Whether the batches are of a classifier, with labels, or of a detector, with targets.
 * @throws ReviewKdError `INVALID_ARGUMENT` for a part of another class.
 */
export function nativeBatches(given: AnyBatch | readonly AnyBatch[], kind: "labels" | "targets"): TensorTree[] {
  const isOne = !Array.isArray(given);
  const batches: readonly unknown[] = isOne ? [given] : Array.from(given);
  return batches.map((batch, index) => {
    if (typeof batch !== "object" || batch === null || !("images" in batch)) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid batches[${index}]: expected an object with images and labels or targets, received ${valueText(batch)}.`);
    }
    const parts = batch as Readonly<Record<string, unknown>>;
    const where = isOne ? "" : ` of batches[${index}]`;
    return kind === "labels" ? labelledBatch(parts, where) : detectionBatch(parts, where);
  });
}

function labelledBatch({ images, labels }: Readonly<Record<string, unknown>>, where: string): TensorTree {
  return { images: nativeTensor(images, `images${where}`), labels: nativeTensor(labels, `labels${where}`) };
}

function detectionBatch({ images, targets }: Readonly<Record<string, unknown>>, where: string): TensorTree {
  return {
    images: listOf(images, `images${where}`, "Tensors").map((image, index) =>
      nativeTensor(image, `images[${index}]${where}`)
    ),
    targets: listOf(targets, `targets${where}`, "objects with boxes and labels").map((target, index) => {
      const place = `targets[${index}]${where}`;
      if (typeof target !== "object" || target === null) {
        throw new ReviewKdError("INVALID_ARGUMENT",
          `invalid ${place}: expected an object with boxes and labels, received ${valueText(target)}.`);
      }
      const { boxes, labels, masks } = target as Readonly<Record<string, unknown>>;
      return { boxes: nativeTensor(boxes, `boxes of ${place}`), labels: nativeTensor(labels, `labels of ${place}`),
        ...(masks === undefined || masks === null ? {} : { masks: nativeTensor(masks, `masks of ${place}`) }) };
    }),
  };
}

/** The elements, of which those that a sparse list lacks are undefined. */
function listOf(value: unknown, what: string, elements: string): unknown[] {
  if (Array.isArray(value)) return Array.from(value);
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${what}: expected an array of ${elements}, received ${valueText(value)}.`);
}
