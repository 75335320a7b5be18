import { addon } from "../../native.js";
import type { NativeTensor, TensorTree } from "../../native-types.js";
import { ReviewKdError } from "../../errors.js";
import { Tensor } from "../tensor.js";

/** Tensors and plain values in any arrangement. */
export type Tree = Tensor | number | boolean | string | null | undefined | readonly Tree[] | {
  readonly [name: string]: Tree;
};

/** An output with the gradients of inputs, by their names. */
export interface WithGradients<Output, Gradients> {
  readonly output: Output;
  readonly gradients: Gradients;
}

/**
 * Runs one of the native functions in the background.
 *
 * @param name - its name in the native table.
 * @param inputs - tensors.
 * @param options - plain values; with `gradientOfOutput`, which may also be a tensor, the result has gradients.
 */
export async function call<Result>(name: string, inputs: Tree, options: object = {}): Promise<Result> {
  const { gradientOfOutput, ...rest } = options as { gradientOfOutput?: unknown };
  const isGradientTensor = gradientOfOutput instanceof Tensor;
  const all = isGradientTensor ? { ...(inputs as object), gradientOfOutput } : inputs;
  const plain = isGradientTensor || gradientOfOutput === undefined ? rest : { ...rest, gradientOfOutput };
  return wrapped(await addon().callFunction(name, natives(all), plain)) as Result;
}

/**
 * Levels of values in values: a batch has three, and values that contain themselves have no end. Each takes three
 * frames of the stack, among which an error must still name the caller.
 */
const DEEPEST = 8;

/** @internal The native halves of all tensors. @throws ReviewKdError `INVALID_ARGUMENT` */
export function natives(tree: Tree, depth = 0): TensorTree {
  if (tree instanceof Tensor) return tree.native;
  if (depth > DEEPEST) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid values: expected Tensors in at most ${DEEPEST} levels of objects, received more. Pass plain objects that do not contain themselves.`);
  }
  // Copies a list with holes as one with undefined values.
  if (Array.isArray(tree)) return Array.from(tree, (entry: Tree) => natives(entry, depth + 1));
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(Object.entries(tree).map(([name, entry]) => [name, natives(entry, depth + 1)]));
}

/** @internal The reverse of {@link natives}. */
export function wrapped(tree: TensorTree): Tree {
  if (Array.isArray(tree)) return tree.map(wrapped);
  if (typeof tree !== "object" || tree === null) return tree;
  if (isTensor(tree)) return Tensor.wrap(tree);
  return Object.fromEntries(
    Object.entries(tree as object).map(([name, entry]) => [name, wrapped(entry as TensorTree)]),
  );
}

/** A record may have any names; only a tensor has methods. */
function isTensor(tree: object): tree is NativeTensor {
  return typeof (tree as { toTypedArray?: unknown }).toTypedArray === "function";
}
