/** Values that are a pure function of a name: the inputs of the goldens under test/fixtures. */
import { Tensor, type StateDict } from "../../lib/index.js";

function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash === 0 ? 1 : hash;
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Values in [-0.5, 0.5) of a linear congruential generator seeded with the hash of `name`. */
export function sequence(name: string, count: number): Float64Array {
  return affine(name, count, 1, 0);
}

/**
 * `scale` times the sequence of `name`, plus `shift`. A plain loop, because the large networks have tens of millions
 * of values.
 */
function affine(name: string, count: number, scale: number, shift: number): Float64Array {
  const values = new Float64Array(count);
  let state = fnv1a32(name);
  for (let i = 0; i < count; i++) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    values[i] = shift + scale * (state / 4294967296 - 0.5);
  }
  return values;
}

/** The value of the state-dict entry `name`: weights of unit gain, scales near 0.6, variances near 1. */
export function fill(name: string, shape: readonly number[]): Float64Array {
  const count = product(shape);
  if (name.endsWith("num_batches_tracked")) return new Float64Array(count);
  if (name.endsWith("running_var")) return affine(name, count, 0.4, 1);
  if (name.endsWith("running_mean") || name.endsWith("bias")) return affine(name, count, 0.2, 0);
  if (shape.length === 1) return affine(name, count, 0.2, 0.6);
  const fanIn = count / shape[0]!;
  return affine(name, count, 2 * Math.sqrt(3 / fanIn), 0);
}

/** A state dict with the names and shapes of `state`, each entry with the value of its name. */
export function filled(state: Readonly<StateDict>, prefix = ""): StateDict {
  return Object.fromEntries(
    Object.entries(state).map(([name, { shape }]) => [name, Tensor.from(fill(prefix + name, shape), shape)]),
  );
}

/** A float64 tensor of `scale` times the sequence of `name`. */
export function sequenceTensor(name: string, shape: readonly number[], scale = 4): Tensor {
  return Tensor.from(sequence(name, product(shape)).map((value) => scale * value), shape);
}

/** The images of the goldens, `[batch, 3, height, width]` in [-2, 2). */
export function goldenImages(batch: number, [height, width]: readonly [number, number]): Tensor {
  return sequenceTensor("input", [batch, 3, height, width]);
}

/** Class indices as a tensor `[N]`. */
export function labelTensor(labels: readonly number[]): Tensor {
  return Tensor.from(BigInt64Array.from(labels, BigInt), [labels.length]);
}
