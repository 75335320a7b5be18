/** What the tests of fused operations on maps share: inputs, and how far results are from those in double. */
import { expect } from "chai";
import { Tensor } from "../../../lib/index.js";
import { TEST_DEVICE } from "../../support/device.js";
import { normOf, valuesOf } from "../../support/numeric.js";
import { uniforms } from "../training/small-training.js";

export interface Path {
  readonly dtype: "float64" | "float32";
  readonly reference: boolean;
  readonly bfloat16: boolean;
  readonly device: string;
}

/** What everything else is held against. */
export const EXACT: Path = { dtype: "float64", reference: true, bfloat16: false, device: "cpu" };
export const FLOAT32: Path = { dtype: "float32", reference: false, bfloat16: false, device: TEST_DEVICE };
export const BFLOAT16: Path = { ...FLOAT32, bfloat16: true };

/** Values between -scale and scale, the same in each run, of which float32 holds each exactly. */
export function tensorOf(seed: number, shape: readonly number[], dtype: "float64" | "float32", scale = 1): Tensor {
  const count = shape.reduce((product, length) => product * length, 1);
  return Tensor.from(Float32Array.from(uniforms(seed, count), (value) => scale * (2 * value - 1)), [...shape], { dtype });
}

/** The results of an operation by name. */
export function named(names: readonly string[], output: unknown, gradients: readonly unknown[]): Map<string, number[]> {
  expect(gradients).to.have.length(names.length);
  const wrap = (native: unknown): number[] => valuesOf(Tensor.wrap(native as Parameters<typeof Tensor.wrap>[0]));
  return new Map([["output", wrap(output)], ...names.map((name, i) => [`gradient of ${name}`, wrap(gradients[i])] as const)]);
}

/** Each result's distance from the exact one, relative to its norm, is at most `bound`. */
export function expectNearExact(got: ReadonlyMap<string, number[]>, exact: ReadonlyMap<string, number[]>, bound: number): void {
  expect([...got.keys()]).to.deep.equal([...exact.keys()]);
  for (const [name, want] of exact) {
    const values = got.get(name)!;
    expect(values, name).to.have.length(want.length);
    expect(normOf(values.map((value, i) => value - want[i]!)) / (normOf(want) || 1), name).to.be.at.most(bound);
  }
}
