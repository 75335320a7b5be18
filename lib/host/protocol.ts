// What a caller and its trainer say to each other. Each side checks what it receives against these schemas.
import { z } from "zod";
import { ERROR_CODES, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { Count, DType, ModelDType, PositiveCount, Shape } from "../config/schemas/common.js";
import { Normalization } from "../config/schemas/data.js";
import { BrokenImage, EpochProgress, EpochSummary, Evaluation, FitEvent, StepResult, SystemInfo } from "../config/schemas/events.js";
import { Matching, Method, TermKind } from "../config/schemas/method.js";
import { FeatureSpec, ModelInfo } from "../config/schemas/model.js";
import { PairExplanation } from "../config/schemas/pair.js";
import { FitResult } from "../config/schemas/run-record.js";
import { TaskInfo } from "../config/schemas/task.js";
import { StepOptions } from "../config/schemas/training.js";
import { LoadReport, WeightsInspection } from "../config/schemas/weights.js";

/** Changes when messages do; both sides come from one package, unless an application was put together wrongly. */
export const PROTOCOL = 1;

/** A thing of the trainer's. Those that the caller names before they are made are negative. */
const Handle = z.int();

/** Whatever the trainer's own schemas check: options, data sources. */
const Checked = z.unknown();

const Values = z.union([
  z.instanceof(Float32Array), z.instanceof(Float64Array), z.instanceof(BigInt64Array), z.instanceof(Uint8Array), z.instanceof(Int8Array),
  z.instanceof(Int16Array), z.instanceof(Int32Array),
]);

export const TensorFacts = z.strictObject({ handle: Handle, shape: Shape, dtype: DType });
export type TensorFacts = z.infer<typeof TensorFacts>;

export const ModelFacts = z.strictObject({
  handle: Handle, name: z.string(), numClasses: PositiveCount, dtype: ModelDType, device: z.enum(["cpu", "cuda"]), parameters: Count,
});
export type ModelFacts = z.infer<typeof ModelFacts>;

export const DistillerFacts = z.strictObject({ handle: Handle, matching: Matching, method: Method, trainingOnlyParameters: Count });
export type DistillerFacts = z.infer<typeof DistillerFacts>;

export const SessionFacts = z.strictObject({ handle: Handle, options: StepOptions, task: TaskInfo, device: z.enum(["cpu", "cuda"]) });
export type SessionFacts = z.infer<typeof SessionFacts>;

const SplitFacts = z.strictObject({ size: Count, imageShape: z.tuple([z.literal(3), PositiveCount, PositiveCount]) });
export type SplitFacts = z.infer<typeof SplitFacts>;

export const DatasetFacts = z.strictObject({
  handle: Handle, kind: z.string(), numClasses: PositiveCount, classNames: z.array(z.string()), normalization: Normalization,
  train: SplitFacts, test: SplitFacts,
});
export type DatasetFacts = z.infer<typeof DatasetFacts>;

const Strict = { strict: z.boolean().optional() };
const Entries = z.array(z.tuple([z.string(), Handle]));
const StateFacts = z.array(z.tuple([z.string(), TensorFacts]));
const Split = z.strictObject({ dataset: Handle, name: z.enum(["train", "test"]) });
export type Split = z.infer<typeof Split>;
const KeepAs = { keepAs: z.string().optional() };
const Metadata = z.record(z.string(), z.string());
const Nothing = z.null();

const call = <Request extends z.ZodType, Response extends z.ZodType>(request: Request, response: Response) => ({ request, response });

/** Every call with what is asked and what is answered. */
export const CALLS = {
  listModels: call(z.strictObject({}), z.array(ModelInfo)),
  systemInfo: call(z.strictObject({}), SystemInfo),
  explainPair: call(z.strictObject({ options: Checked }), PairExplanation),
  inspectWeights: call(z.strictObject({ path: z.string(), options: Checked }), WeightsInspection),
  exportStudent: call(z.strictObject({ runDirectory: z.string(), path: z.string().optional(), options: Checked }), z.string()),
  createTensor: call(z.strictObject({ handle: Handle, values: Values, shape: Shape, dtype: DType }), Nothing),
  createModel: call(z.strictObject({ name: Checked, options: Checked }), ModelFacts),
  createDistiller: call(z.strictObject({ teacher: Handle, student: Handle, method: Checked, seed: Checked }), DistillerFacts),
  createSession: call(z.strictObject({ distiller: Handle.optional(), model: Handle.optional(), options: Checked }), SessionFacts),
  loadDataset: call(z.strictObject({ source: Checked }), DatasetFacts),
  fit: call(z.strictObject({ distiller: Handle.optional(), model: Handle.optional(), data: Handle, options: Checked }), Handle),
  runExperiment: call(z.strictObject({ config: Checked, options: Checked }), Handle),
  fitNext: call(z.strictObject({ generator: Handle }), z.discriminatedUnion("done", [
    z.strictObject({ done: z.literal(false), value: FitEvent }), z.strictObject({ done: z.literal(true), value: FitResult.nullable() }),
  ])),
  batches: call(z.strictObject({ split: Split, options: Checked }), Handle),
  batchesNext: call(z.strictObject({ generator: Handle }), z.strictObject({ images: TensorFacts, labels: TensorFacts }).nullable()),
  generatorReturn: call(z.strictObject({ generator: Handle }), Nothing),
  toTypedArray: call(z.strictObject({ tensor: Handle }), Values),
  modelFacts: call(z.strictObject({ model: Handle }), ModelFacts),
  featureSpecs: call(z.strictObject({ model: Handle, height: Checked, width: Checked }), z.array(FeatureSpec)),
  modelForward: call(z.strictObject({ model: Handle, images: Handle, options: Checked }), z.strictObject({
    logits: TensorFacts, features: z.array(z.strictObject({ name: z.string(), before: TensorFacts, after: TensorFacts })),
  })),
  modelSave: call(z.strictObject({ model: Handle, path: z.string(), metadata: Metadata.optional() }), Nothing),
  modelLoad: call(z.strictObject({ model: Handle, path: z.string(), options: Checked }), LoadReport),
  distillerForward: call(z.strictObject({ distiller: Handle, images: Handle, labels: Handle.optional() }), z.strictObject({
    studentLogits: TensorFacts, teacherLogits: TensorFacts, reviewOutputs: z.array(TensorFacts), teacherFeatures: z.array(TensorFacts),
    perStage: z.array(z.number()), terms: z.array(z.strictObject({ kind: TermKind, loss: z.number(), perStage: z.array(z.number()) })),
  })),
  /** Of a model or a distiller. */
  stateDict: call(z.strictObject({ owner: Handle }), StateFacts),
  loadStateDict: call(z.strictObject({ owner: Handle, state: Entries, ...Strict }), LoadReport),
  /** By a model or a session. */
  evaluate: call(z.strictObject({ owner: Handle, split: Split, options: Checked }), Evaluation),
  step: call(z.strictObject({ session: Handle, batches: z.array(z.strictObject({ images: Handle, labels: Handle })).min(1) }), StepResult),
  trainEpoch: call(z.strictObject({ session: Handle, data: Handle, options: Checked }), EpochSummary),
  gradients: call(z.strictObject({ session: Handle }), StateFacts),
  position: call(z.strictObject({ session: Handle }), z.strictObject({ epoch: Count, step: Count, steps: Count, totalSteps: Count })),
  setEpoch: call(z.strictObject({ session: Handle, epoch: Checked }), Nothing),
  setLearningRate: call(z.strictObject({ session: Handle, learningRate: Checked }), Nothing),
  saveCheckpoint: call(z.strictObject({ session: Handle, path: z.string(), metadata: Metadata, ...KeepAs }), Nothing),
  saveWithinEpoch: call(z.strictObject({ session: Handle, path: z.string(), metadata: Metadata, ...KeepAs }), z.boolean()),
  loadCheckpoint: call(z.strictObject({ session: Handle, path: z.string(), otherTeacher: z.boolean().optional() }), Metadata),
} as const;

export type CallName = keyof typeof CALLS;
export type RequestOf<Name extends CallName> = z.input<(typeof CALLS)[Name]["request"]>;
export type ResponseOf<Name extends CallName> = z.output<(typeof CALLS)[Name]["response"]>;

/** What is told while a call is under way. */
export const Progress = z.union([EpochProgress, Count]);
export type Progress = z.infer<typeof Progress>;

/** An error as it travels. */
export const SentError = z.strictObject({ code: z.enum(ERROR_CODES).nullable(), message: z.string(), valid: z.array(z.string()), stack: z.string().optional() });
export type SentError = z.infer<typeof SentError>;

/** From the caller to the trainer. */
export const ToTrainer = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("call"), id: Count, name: z.enum(Object.keys(CALLS) as [CallName, ...CallName[]]), request: z.unknown(), reports: z.boolean() }),
  z.strictObject({ type: z.literal("abort"), id: Count }),
  z.strictObject({ type: z.literal("release"), handle: Handle }),
  z.strictObject({ type: z.literal("close") }),
]);
export type ToTrainer = z.infer<typeof ToTrainer>;

/** From the trainer to the caller. */
export const ToCaller = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready"), protocol: z.number(), pid: PositiveCount }),
  z.strictObject({ type: z.literal("result"), id: Count, value: z.unknown() }),
  z.strictObject({ type: z.literal("error"), id: Count, error: SentError }),
  z.strictObject({ type: z.literal("progress"), id: Count, value: Progress }),
  /** Told before the answer to the call during which it was met. */
  z.strictObject({ type: z.literal("broken-image"), dataset: Handle, image: BrokenImage }),
]);
export type ToCaller = z.infer<typeof ToCaller>;

/** An error in the form in which it travels. */
export function packError(error: unknown): SentError {
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  if (isReviewKdError(error)) return { code: error.code, message: error.message, valid: [...error.valid], ...stack };
  return { code: null, message: messageOf(error), valid: [], ...stack };
}

/** The error that travelled. Its cause has the trainer's stack. */
export function unpackError({ code, message, valid, stack }: SentError): Error {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return code === null ? new Error(message, { cause }) : new ReviewKdError(code, message, { valid, cause });
}
