/** Reads the values written by the scripts in scripts/goldens. Tests never write them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Tensor } from "../../lib/index.js";
import type { DetectionOptions, Flavor, Size } from "../../lib/config/schemas/detection/detector.js";
import type { MethodInput } from "../../lib/config/schemas/method.js";
import type { ReviewOptions } from "./networks.js";
import { expectNear, normOf, sumOf, valuesOf } from "./numeric.js";

const FOLDER = fileURLToPath(new URL("../fixtures/goldens/", import.meta.url));

/** A summary of a tensor. `first` are its leading elements, row by row. */
export interface TensorSummary {
  readonly shape: readonly number[];
  readonly sum: number;
  readonly norm: number;
  readonly first: readonly number[];
}

export interface ModelCase {
  readonly numClasses: number;
  readonly imageSize: readonly [number, number];
  readonly mode: "eval" | "train";
  readonly parameters: number;
  readonly logits: TensorSummary;
  readonly features: readonly { readonly name: string; readonly before: TensorSummary;
    readonly after: TensorSummary }[];
}

export interface ModelGolden {
  readonly model: string;
  readonly batch: number;
  readonly cases: readonly ModelCase[];
  /** Shapes by name in PyTorch's order, for 10 classes. */
  readonly stateDict: Readonly<Record<string, readonly number[]>>;
}

export interface HclGolden {
  readonly cases: readonly { readonly shape: readonly number[]; readonly loss: number;
    readonly gradient: TensorSummary }[];
}

export interface ReviewGolden {
  readonly teacher: string;
  readonly student: string;
  readonly numClasses: number;
  readonly batch: number;
  readonly imageSize: readonly [number, number];
  readonly labels: readonly number[];
  readonly weight: number;
  readonly switches: ReviewOptions;
  readonly trainingOnlyParameters: number;
  readonly teacherLogits: TensorSummary;
  readonly studentLogits: TensorSummary;
  readonly outputs: readonly TensorSummary[];
  readonly losses: { readonly crossEntropy: number; readonly perStage: readonly number[]; readonly total: number };
  readonly gradientNorms: Readonly<Record<string, number>>;
}

export interface MethodGolden {
  readonly teacher: string;
  readonly student: string;
  readonly numClasses: number;
  readonly batch: number;
  readonly imageSize: readonly [number, number];
  readonly labels: readonly number[];
  readonly method: MethodInput;
  readonly outputs: readonly TensorSummary[];
  readonly losses: {
    readonly crossEntropy: number;
    readonly terms: readonly { readonly kind: string; readonly loss: number; readonly perStage: readonly number[] }[];
    readonly total: number;
  };
  readonly gradientNorms: Readonly<Record<string, number>>;
}

export interface DetectorGolden {
  readonly detector: string;
  readonly flavor: Flavor;
  readonly numClasses: number;
  readonly detection: DetectionOptions;
  /** `image` is the name that its values follow from. */
  readonly images: readonly {
    readonly image: string;
    readonly height: number;
    readonly width: number;
    readonly boxes: readonly (readonly number[])[];
    readonly labels: readonly number[];
  }[];
  readonly optimizer: { readonly learningRate: number; readonly momentum: number; readonly nesterov: boolean;
    readonly weightDecay: number };
  readonly parameters: number;
  readonly trainedParameters: number;
  readonly stateDict: Readonly<Record<string, readonly number[]>>;
  readonly imageSizes: readonly Size[];
  readonly input: TensorSummary;
  readonly pyramid: readonly TensorSummary[];
  readonly detections: readonly {
    readonly boxes: readonly (readonly number[])[];
    readonly scores: readonly number[];
    readonly labels: readonly number[];
    /** Probabilities. */
    readonly masks?: TensorSummary;
    /** Pixels above ½. */
    readonly maskAreas?: readonly number[];
  }[];
  /** Losses by torchvision's names. */
  readonly steps: readonly Readonly<Record<string, number>>[];
  /** Of the first step: of all trained parameters, and of some of each part. */
  readonly gradientNorms: Readonly<Record<string, number>>;
  readonly gradients: Readonly<Record<string, TensorSummary>>;
}

function read(path: string, script = "write_goldens.py"): unknown {
  try {
    return JSON.parse(readFileSync(FOLDER + path, "utf8"));
  } catch (error) {
    throw new Error(`no golden at test/fixtures/goldens/${path}; scripts/goldens/${script} makes it`, {
      cause: error,
    });
  }
}

export const readModelGolden = (model: string): ModelGolden => read(`models/${model}.json`) as ModelGolden;
export const readHclGolden = (): HclGolden => read("distillation/hcl.json") as HclGolden;
export const readReviewGolden = (pair: string): ReviewGolden => read(`distillation/${pair}.json`) as ReviewGolden;
export const readMethodGolden = (name: string): MethodGolden => read(`methods/${name}.json`) as MethodGolden;

export const readDetectorGolden = (name: string): DetectorGolden =>
  read(`detectors/${name}.json`, "write_detection_models.py") as DetectorGolden;

/** The detectors' goldens. */
export function detectorGoldens(): string[] {
  return readdirSync(`${FOLDER}detectors`).map((file) => file.replace(/\.json$/, "")).sort();
}

/** The methods' goldens. */
export function methodGoldens(): string[] {
  return readdirSync(`${FOLDER}methods`).map((file) => file.replace(/\.json$/, "")).sort();
}

/** The pairs of networks with review goldens. */
export function reviewPairs(): string[] {
  const names = readdirSync(`${FOLDER}distillation`).map((file) => file.replace(/\.json$/, ""));
  return names.filter((name) => name.includes("--")).sort();
}

/**
 * Compares a tensor with its golden: shape exactly; norm, sum and first elements relative to the size of its
 * elements.
 */
export function expectSummary(tensor: Tensor, golden: TensorSummary, tolerance: number, what: string): void {
  expect(tensor.shape, `${what}: shape`).to.deep.equal(golden.shape);
  const values = valuesOf(tensor);
  expectNear(normOf(values), golden.norm, tolerance, `${what}: norm`);
  // Terms of a sum cancel; its rounding grows with the sum of magnitudes, bounded by √n · norm.
  expectNear(sumOf(values), golden.sum, tolerance, `${what}: sum`, Math.sqrt(values.length) * golden.norm);
  const rms = golden.norm / Math.sqrt(values.length);
  for (const [i, want] of golden.first.entries()) expectNear(values[i]!, want, tolerance, `${what}[${i}]`, rms);
}
