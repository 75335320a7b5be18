/** Detectors whose every weight is the value of its name, and batches for them. */
import { createDetector, Tensor, type Detector, type DetectorOptionsInput } from "../../lib/index.js";
import { filled, labelTensor, sequence } from "./deterministic.js";

/** Objects of an image: boxes x1 y1 x2 y2, and their labels. */
export interface Objects {
  readonly boxes: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

/** An image's objects as tensors. */
export interface TargetTensors {
  boxes: Tensor;
  labels: Tensor;
  masks?: Tensor;
}

/** Boxes as `[N, 4]`, float64. */
export function boxTensor(boxes: readonly (readonly number[])[]): Tensor {
  return Tensor.from(Float64Array.from(boxes.flat()), [boxes.length, 4]);
}

/** An image `[3, height, width]` of values from 0 to 1, which follow from its name. */
export function namedImage(name: string, height: number, width: number): Tensor {
  return Tensor.from(sequence(name, 3 * height * width).map((value) => value + 0.5), [3, height, width]);
}

/** Masks `[N, height, width]` of the ellipses within boxes, at pixel centers. */
export function ellipseMasks(boxes: readonly (readonly number[])[], height: number, width: number): Tensor {
  const masks = new Uint8Array(boxes.length * height * width);
  for (const [i, [x1 = 0, y1 = 0, x2 = 0, y2 = 0]] of boxes.entries()) {
    for (let pixel = 0; pixel < height * width; ++pixel) {
      const x = ((pixel % width) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2);
      const y = (Math.floor(pixel / width) + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2);
      masks[i * height * width + pixel] = Number(x * x + y * y <= 1);
    }
  }
  return Tensor.from(masks, [boxes.length, height, width]);
}

/** An image's objects as a detector takes them; with the image's size also masks. */
export function targetsOf({ boxes, labels }: Objects, size?: readonly [height: number, width: number]): TargetTensors {
  return { boxes: boxTensor(boxes), labels: labelTensor(labels), ...(size && { masks: ellipseMasks(boxes, ...size) }) };
}

/** A detector, filled. */
export async function filledDetector(name: string, options: DetectorOptionsInput = {}): Promise<Detector> {
  const detector = await createDetector(name, { dtype: "float64", ...options,
    detection: { norm: "frozen", trainableLayers: 3, ...options.detection } });
  await detector.loadStateDict(filled(await detector.stateDict()));
  return detector;
}
