/** Checks shared by the tests of every network family. */
import { expect } from "chai";
import { createModel, type StageFeature } from "../../lib/index.js";
import { goldenImages } from "./deterministic.js";
import { filledModel } from "./networks.js";
import { largestOf, meanOf, rmsOf, valuesOf } from "./numeric.js";

/** Powers of two, odd sizes that strides round up, and maps that shrink to a single pixel. */
export const ODD_SIZES = [[32, 32], [24, 40], [33, 47], [9, 6], [5, 3], [1, 7], [1, 1]] as const;

/** Compares the feature specs of a network with the shapes of its real features. */
export async function expectSpecsOfRealFeatures(name: string,
  [height, width]: readonly [number, number]): Promise<void> {
  using model = await createModel(name, { numClasses: 3 });
  const { features } = await model.forward(goldenImages(2, [height, width]), { features: true });
  const specs = model.featureSpecs(height, width).map((spec) => {
    const shape = [2, spec.channels, spec.height, spec.width];
    return { name: spec.name, before: shape, after: shape };
  });
  expect(specs).to.deep.equal(
    features.map(({ name, before, after }) => ({ name, before: before.shape, after: after.shape })),
  );
}

/** A filled network's features, the stages separate from the pool. */
export async function featuresOf(name: string,
  size: readonly [number, number]): Promise<{ stages: readonly StageFeature[]; pool: StageFeature }> {
  using model = await filledModel(name, 10);
  const { features } = await model.forward(goldenImages(2, size), { features: true });
  expect(features.at(-1)!.name).to.equal("pool");
  return { stages: features.slice(0, -1), pool: features.at(-1)! };
}

/** Checks that a stage ends with a ReLU and keeps its input. */
export function expectRelu({ name, before, after }: StageFeature): void {
  const raw = valuesOf(before);
  // An activation in place would have overwritten the negative values.
  expect(raw.some((value) => value < 0), `${name} before the activation`).to.equal(true);
  expect(valuesOf(after), `${name} after the activation`).to.deep.equal(raw.map((value) => Math.max(value, 0)));
}

/** Checks that `pool` is one map, and the mean over `map`. */
export function expectPool(pool: StageFeature, map: StageFeature): void {
  expect(valuesOf(pool.before)).to.deep.equal(valuesOf(pool.after));
  const [batch, channels, height, width] = map.after.shape as [number, number, number, number];
  const area = height * width;
  const values = valuesOf(map.after);
  const scale = largestOf(values);
  expect(pool.after.shape).to.deep.equal([batch, channels, 1, 1]);
  for (const [i, value] of valuesOf(pool.after).entries()) {
    // Rounding of a sum of several dozen terms.
    expect(value, `pooled value ${i}`).to.be.closeTo(meanOf(values.slice(i * area, (i + 1) * area)), 1e-13 * scale);
  }
}

// Five standard errors each. Seeds are fixed, so a draw either always passes or never.
const ERRORS = 5;

/**
 * Compares values with N(0, σ²): mean, spread, and the share within one σ, which distinguishes it from a uniform
 * distribution.
 */
export function expectNormal(values: readonly number[], sigma: number, what: string): void {
  const count = values.length;
  expect(Math.abs(meanOf(values)), `${what}: mean`).to.be.below((ERRORS * sigma) / Math.sqrt(count));
  expect(Math.abs(rmsOf(values) / sigma - 1), `${what}: spread`).to.be.below(ERRORS / Math.sqrt(2 * count));
  const inside = values.filter((value) => Math.abs(value) < sigma).length / count;
  expect(Math.abs(inside - 0.6827), `${what}: share within one sigma`).to.be.below(
    ERRORS * Math.sqrt((0.6827 * 0.3173) / count),
  );
  if (count > 9000) expect(largestOf(values), `${what}: tail`).to.be.above(3 * sigma);
}

/** The σ of He et al. (ICCV 2015) for a convolution `[out, in, kH, kW]`, by fan-out. */
export function fanOutDeviation([out, , height, width]: readonly number[]): number {
  return Math.sqrt(2 / (out! * height! * width!));
}

/** Compares values with U(-bound, bound): range, mean and spread. */
export function expectUniform(values: readonly number[], bound: number, what: string): void {
  const count = values.length;
  // float32 rounds the bound, too.
  expect(largestOf(values), `${what}: range`).to.be.at.most(bound * (1 + 1e-6));
  expect(largestOf(values), `${what}: range`).to.be.above(bound * (1 - ERRORS * 2 / count));
  const sigma = bound / Math.sqrt(3);
  expect(Math.abs(meanOf(values)), `${what}: mean`).to.be.below((ERRORS * sigma) / Math.sqrt(count));
  // The square of a uniform value has a relative deviation of √(4/5); half of it is the root's.
  expect(Math.abs(rmsOf(values) / sigma - 1), `${what}: spread`).to.be.below(
    (ERRORS * Math.sqrt(0.8)) / (2 * Math.sqrt(count)),
  );
}

/** Compares every convolution and linear layer of a state dict with PyTorch's default: U(±1 / √fan_in). */
export async function expectTorchDefault(name: string): Promise<void> {
  using model = await createModel(name, { seed: 7 });
  const state = await model.stateDict();
  const weights = Object.entries(state).filter(([, { shape }]) => shape.length > 1);
  for (const [entry, tensor] of weights) {
    const values = valuesOf(tensor);
    const bound = 1 / Math.sqrt(values.length / tensor.shape[0]!);
    expectUniform(values, bound, entry);
    const bias = state[entry.replace(/weight$/, "bias")];
    if (bias !== undefined) expectUniform(valuesOf(bias), bound, entry.replace(/weight$/, "bias"));
  }
}

/**
 * Checks that batch normalization is initialised to the identity, with no batches tracked; returns the number of such
 * layers.
 */
export async function expectFreshNorms(name: string): Promise<number> {
  using model = await createModel(name, { seed: 1 });
  const START: Readonly<Record<string, number>> = { weight: 1, bias: 0, running_mean: 0, running_var: 1,
    num_batches_tracked: 0 };
  const state = await model.stateDict();
  const norms = Object.keys(state).filter((entry) => entry.endsWith(".running_mean")).map((entry) =>
    entry.replace(/\.running_mean$/, "")
  );
  for (const norm of norms) {
    for (const [part, want] of Object.entries(START)) {
      expect(valuesOf(state[`${norm}.${part}`]!).every((value) => value === want), `${norm}.${part}`).to.equal(true);
    }
  }
  return norms.length;
}
