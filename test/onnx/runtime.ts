// Exported networks in onnxruntime-node, which test/onnx has for itself.
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Tensor } from "../../lib/index.js";
import { readOnnx } from "../support/onnx-files.js";

/** The part of onnxruntime-node that is used here. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options?: Readonly<Record<string, string>>): Promise<Session>;
  };
  readonly Tensor: new(type: "float32", values: Float32Array, shape: readonly number[]) => unknown;
}

interface Session {
  run(inputs: Readonly<Record<string, unknown>>): Promise<Record<string, Output>>;
  release(): Promise<void>;
}

export interface Output {
  readonly data: Float32Array | BigInt64Array;
  readonly dims: readonly number[];
}

const require = createRequire(import.meta.url);

export const hasRuntime = existsSync(join(import.meta.dirname, "node_modules/onnxruntime-node"));

/** The outputs of an ONNX file for images `[N, 3, H, W]`. */
export async function runOnnx(path: string, images: Tensor): Promise<Record<string, Output>> {
  const { InferenceSession, Tensor: OnnxTensor } = require("onnxruntime-node") as OnnxRuntime;
  const session = await InferenceSession.create(path);
  try {
    const values = Float32Array.from(images.toTypedArray() as Float32Array | Float64Array);
    return await session.run({ pixel_values: new OnnxTensor("float32", values, images.shape) });
  } finally {
    await session.release();
  }
}

/** The operators that the runtime computes, after its own optimizations. */
export async function optimizedOperators(path: string): Promise<readonly string[]> {
  const { InferenceSession } = require("onnxruntime-node") as OnnxRuntime;
  const optimizedModelFilePath = `${path}.optimized`;
  // Without those of the processor, with which it warns that the file is for this one alone.
  const session = await InferenceSession.create(path, { optimizedModelFilePath, graphOptimizationLevel: "extended" });
  await session.release();
  return readOnnx(optimizedModelFilePath).operators;
}

/** The largest difference, relative to the largest expected value. */
export function relativeDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; ++i) {
    difference = Math.max(difference, Math.abs(found[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return found.length === expected.length ? difference / largest : Number.POSITIVE_INFINITY;
}
