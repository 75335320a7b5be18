/** Inputs for tests of single operations. */
import { Tensor } from "../../lib/index.js";
import { uniforms } from "./uniforms.js";

/** Values between -1 and 1, the same in each run, all exact in float32. */
export function tensorOf(seed: number, shape: readonly number[], { dtype }: { readonly dtype: "float64" | "float32" },
  scale = 1, shift = 0): Tensor {
  const count = shape.reduce((product, length) => product * length, 1);
  return Tensor.from(Float32Array.from(uniforms(seed, count), (value) => scale * (2 * value - 1) + shift), [...shape], {
    dtype,
  });
}
