/** Comparison of numbers and tensors, and derivatives by differences. */
import { expect } from "chai";
import type { Tensor } from "../../lib/index.js";

/** A tensor's elements as plain numbers. */
export function valuesOf(tensor: Tensor): number[] {
  return Array.from(tensor.toTypedArray(), Number);
}

export function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

export function meanOf(values: readonly number[]): number {
  return sumOf(values) / values.length;
}

/** Largest magnitude. */
export function largestOf(values: readonly number[]): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** L2 norm. */
export function normOf(values: readonly number[]): number {
  return Math.sqrt(sumOf(values.map((value) => value * value)));
}

/** Root of the mean square. */
export function rmsOf(values: readonly number[]): number {
  return normOf(values) / Math.sqrt(values.length);
}

/** Norm of the difference, relative to the wanted norm unless that is zero. */
export function distance(got: readonly number[], want: readonly number[]): number {
  expect(got).to.have.length(want.length);
  return normOf(got.map((value, i) => value - want[i]!)) / (normOf(want) || 1);
}

/** Compares two numbers, relative to the wanted one or to `scale` if that is larger. */
export function expectNear(got: number, want: number, tolerance: number, what: string, scale = 0): void {
  const deviation = Math.abs(got - want) / Math.max(Math.abs(want), scale, Number.MIN_VALUE);
  // Written so that NaN fails.
  if (!(deviation <= tolerance))
    expect.fail(`${what}: expected ${want} within ${tolerance} (relative), received ${got} (${deviation})`);
}

/** Compares two lists, each difference relative to the wanted list's root mean square. */
export function expectAllNear(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  expect(got.length, `${what}: number of values`).to.equal(want.length);
  const scale = rmsOf(Array.from(want));
  for (let i = 0; i < want.length; i++) expectNear(got[i]!, want[i]!, tolerance, `${what}[${i}]`, scale);
}

/** The slope of `f` at 0 by central differences. */
export async function slopeOf(f: (step: number) => Promise<number>, step: number): Promise<number> {
  return (await f(step) - await f(-step)) / (2 * step);
}

/** The gradient of `f` at `at` by central differences, element by element. */
export async function gradientOf(f: (values: Float64Array) => Promise<number>, at: ArrayLike<number>,
  step = 1e-6): Promise<number[]> {
  const gradient: number[] = [];
  for (let i = 0; i < at.length; ++i) {
    gradient.push(
      await slopeOf((change) => f(Float64Array.from(at, (value, k) => (k === i ? value + change : value))), step),
    );
  }
  return gradient;
}
