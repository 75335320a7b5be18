import { expect } from "chai";
import { createDistiller, createModel, loadDataset, Tensor } from "../../../lib/index.js";
import type { Batch, Dataset, Distiller, Model, StateDict } from "../../../lib/index.js";
import type { MethodInput } from "../../../lib/config/schemas/method.js";
import { uniforms } from "../../support/uniforms.js";
import type { ReviewOptions } from "../../support/networks.js";
import type { ModelOptionsInput } from "../../../lib/config/schemas/model.js";

/** Networks accept any size; at 8×8 pixels a step takes about a millisecond. */
export const SIDE = 8;
export const CLASSES = 4;
const IMAGE = 3 * SIDE * SIDE;

/** Noise on a tint of the class: images that a network can learn to distinguish. Labels cycle through the classes. */
function tinted(count: number, classes: number, side: number,
  seed: number): { images: Uint8Array<ArrayBuffer>; labels: Uint8Array<ArrayBuffer> } {
  const pixels = side * side;
  const noise = uniforms(seed, count * 3 * pixels);
  const labels = Uint8Array.from({ length: count }, (_, index) => index % classes);
  const images = Uint8Array.from(noise, (value, position) => {
    const label = labels[Math.floor(position / (3 * pixels))]!;
    const channel = Math.floor(position / pixels) % 3;
    return Math.floor(90 * value) + ((label >> channel) & 1) * 150;
  });
  return { images, labels };
}

/** A data set whose epoch takes milliseconds. */
export function smallData(
  options: { train?: number; test?: number; classes?: number; side?: number; seed?: number } = {},
): Promise<Dataset<Batch>> {
  const { train = 32, test = 8, classes = CLASSES, side = SIDE, seed = 1 } = options;
  return loadDataset({
    kind: "arrays",
    numClasses: classes,
    height: side,
    width: side,
    train: tinted(train, classes, side, seed),
    test: tinted(test, classes, side, seed + 1),
  });
}

export function smallModel(options: ModelOptionsInput = {}): Promise<Model> {
  return createModel("resnet8", { numClasses: CLASSES, seed: 1, ...options });
}

/** resnet8 under another resnet8. Settings of no kind are those of review, without warm-up unless they say so. */
export async function smallDistiller(method: ReviewOptions | MethodInput = {},
  options: ModelOptionsInput = {}): Promise<Distiller> {
  const teacher = await smallModel({ ...options, seed: 2 });
  const student = await smallModel(options);
  const chosen: MethodInput = "kind" in method ? method : { kind: "review", warmupEpochs: 0, ...method };
  return createDistiller({ teacher, student, method: chosen, seed: 3 });
}

/** Images around 0 and labels that depend on the seed alone. */
export function smallBatch(count: number, seed: number): Batch {
  const values = Float64Array.from(uniforms(seed, count * IMAGE), (value) => 4 * value - 2);
  const labels = BigInt64Array.from(uniforms(seed + 1000, count), (value) => BigInt(Math.floor(value * CLASSES)));
  return { images: Tensor.from(values, [count, 3, SIDE, SIDE]), labels: Tensor.from(labels, [count]) };
}

/** Images `begin` … `end - 1` of a batch. */
export function part(batch: Batch, begin: number, end: number): Batch {
  return {
    images: Tensor.from((batch.images.toTypedArray() as Float64Array).slice(begin * IMAGE, end * IMAGE), [end - begin,
      3, SIDE, SIDE]),
    labels: Tensor.from((batch.labels.toTypedArray() as BigInt64Array).slice(begin, end), [end - begin]),
  };
}

/** The values of a state dict; float64 holds those of every type exactly. */
export function numbersOf(state: StateDict): Record<string, Float64Array> {
  return Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, numbersIn(tensor)]));
}

/** The values of a tensor. */
export function numbersIn(tensor: Tensor): Float64Array {
  return Float64Array.from(tensor.toTypedArray() as ArrayLike<number | bigint>, Number);
}

/** All parameters and buffers of a network, or of a student and its method. */
export async function weightsOf(trained: Model | Distiller): Promise<Record<string, Float64Array>> {
  return numbersOf(await trained.stateDict());
}

/** The largest difference of two arrays of numbers, relative to the larger of 1 and the expected value. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).to.equal(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; ++i) {
    // Math.max hands NaN on.
    largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!)));
  }
  return largest;
}
