/**
 * The addon of tests and benchmarks: the published one with entry points for single operations. `.mocharc.json`
 * requires this file, so that all tests of a process use one addon, whose tensors and data sets its operations take.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "../../lib/install/layout.js";
import { checkoutAddonPath, loadAddon } from "../../lib/install/load.js";
import { getMachineInfo } from "../../lib/install/machine-info.js";
import { addon, addonPath, findAddonWith } from "../../lib/native.js";
import type { Addon, NativeImages, NativeTensor } from "../../lib/native-types.js";

export interface TestingAddon extends Addon {
  /** Inputs: x, weight, gamma, beta and, optionally, the shortcut to add. */
  convNorm: OperationRunner<{ readonly stride: number; readonly relu: boolean }>;
  /** Inputs: x, y, weight, bias. */
  attentionFusion: OperationRunner;
  /** Inputs: student, teacher. */
  contextLoss: OperationRunner;
  /** Images and labels, batch by batch, as the device produces them; empty if the device has no such kernels. */
  deviceBatches(data: NativeImages, split: string, options: object): Promise<NativeTensor[]>;
  /**
   * A 3 × 3 convolution by tensor cores, or its reference, in float64; undefined if the device has no kernel for these
   * inputs.
   */
  tensorConvolution(inputs: TensorConvolutionInputs,
    options: { readonly stride: number; readonly fused: boolean; readonly device: string }
  ): Promise<TensorConvolutionResult | undefined>;
  /** Timings of a copy and of the kernels of a device; empty if it has none. */
  kernelRates(options: object): Promise<KernelRate[]>;
  /** The memory in use, in bytes; freed memory that is kept for reuse does not count. */
  heldMemory(): HeldMemory;
}

export interface HeldMemory {
  /** Of CPU tensors of 64 KiB and more. */
  readonly tensors: number;
  /** Of smaller tensors, objects, and all else that malloc has handed out; 0 without glibc. */
  readonly malloc: number;
}

/** All in float32: x [N, I, H, W], weight [O, I, 3, 3], scale and shift [I], origin [O]. */
export interface TensorConvolutionInputs {
  readonly x: NativeTensor;
  readonly weight: NativeTensor;
  /** With `shift`: relu(scale · x + shift) is convolved. */
  readonly scale?: NativeTensor;
  readonly shift?: NativeTensor;
  /** If given, the moments about it are computed. */
  readonly origin?: NativeTensor;
}

export interface TensorConvolutionResult {
  readonly output: NativeTensor;
  /** [2, O]: Σ (output − origin) and Σ (output − origin)². */
  readonly moments?: NativeTensor;
}

export interface KernelRate {
  readonly name: string;
  /** Duration of one run. */
  readonly seconds: number;
  /** Minimum number of bytes read and written. */
  readonly bytes: number;
  /** Floating point operations, two per multiply-add; 0 for memory-bound kernels. */
  readonly operations: number;
}

/** Options of a single operation; with `training`, gradients are computed as well. */
export interface OperationOptions {
  readonly fused: boolean;
  readonly bfloat16: boolean;
  readonly training: boolean;
  /** Default: the CPU. */
  readonly device?: string;
}

export interface OperationResult {
  readonly output: NativeTensor;
  readonly gradients: NativeTensor[];
  readonly statistics: NativeTensor[];
}

export type OperationRunner<Options = unknown> = (
  inputs: readonly NativeTensor[],
  outputGradient: NativeTensor,
  options: OperationOptions & Options,
) => Promise<OperationResult>;

/** Names of the entry points that the published addon lacks. */
export const TESTING_NAMES = ["attentionFusion", "contextLoss", "convNorm", "deviceBatches", "heldMemory",
  "kernelRates", "tensorConvolution"];

const PATH = join(dirname(checkoutAddonPath()), "reviewkd-testing.node");

// Without it, the tests that need none of its entry points run on the published one.
findAddonWith(() =>
  loadAddon({ root: packageRoot(), machine: getMachineInfo(), env: process.env,
    ...(existsSync(PATH) ? { checkoutAddon: PATH } : {}) })
);

/** The addon of this thread. Throws if it is not the one of tests. */
export function testingAddon(): TestingAddon {
  const loaded = addon();
  if (isTestingAddon(loaded)) return loaded;
  throw new Error(
    `invalid addon: expected the entry points of ${PATH}, received those of ${addonPath()}. Run \`npm run build:tests\`.`,
  );
}

function isTestingAddon(loaded: Addon): loaded is TestingAddon {
  return TESTING_NAMES.every((name) => name in loaded);
}
