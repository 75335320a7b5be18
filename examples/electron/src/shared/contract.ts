// The messages between the window and the main process. Both validate what they receive against these schemas.
import { z } from "zod";
import type { Channel } from "./channels.js";

/** The trainings of a run, in order. */
export const Part = z.enum(["teacher", "alone", "distilled"]);
export type Part = z.infer<typeof Part>;

/** A run's directory, named after its start time: no dots and no slashes. */
export const RunName = z.string().regex(/^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:_\d+)?$/);

const Name = z.string().min(1).max(100);
const Path = z.string().min(1).max(4096);
const Count = z.int().nonnegative();
const Percent = z.number().min(0).max(100);

/** The training data. A `root` is a directory that `chooseDirectory` returned. */
export const Data = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("synthetic"), numClasses: z.int().min(2).max(20),
    trainSamples: z.int().min(16).max(100_000), testSamples: z.int().min(16).max(100_000) }),
  z.strictObject({ kind: z.literal("cifar10"), root: Path }),
  z.strictObject({ kind: z.literal("cifar100"), root: Path }),
  z.strictObject({ kind: z.literal("image-folder"), root: Path, imageSize: z.int().min(32).max(512) }),
]);
export type Data = z.infer<typeof Data>;

/** The settings of a run. */
export const Plan = z.strictObject({
  teacher: Name,
  /** A file that `chooseWeights` returned; null: the teacher is trained first. */
  teacherWeights: Path.nullable(),
  student: Name,
  method: Name,
  /** λ, the weight of the method's loss relative to cross entropy. */
  weight: z.number().nonnegative().max(1000),
  /** Train the student on labels alone, too. */
  alone: z.boolean(),
  data: Data,
  epochs: z.int().min(1).max(1000),
  batchSize: z.int().min(2).max(4096),
  learningRate: z.number().positive().max(10),
  seed: z.int().nonnegative(),
});
export type Plan = z.infer<typeof Plan>;

/** Losses for drawing: the optimized total, and its weighted terms. */
export const Losses = z.strictObject({ total: z.number(), crossEntropy: z.number(),
  terms: z.array(z.strictObject({ kind: z.string(), value: z.number() })) });
export type Losses = z.infer<typeof Losses>;

/** A finished epoch, counted from 1. */
export const Epoch = z.strictObject({ epoch: z.int().positive(), losses: Losses, top1: Percent,
  seconds: z.number().nonnegative() });
export type Epoch = z.infer<typeof Epoch>;

/** A failure with its stable code. */
export const Failure = z.strictObject({ code: z.string(), message: z.string(), valid: z.array(z.string()) });
export type Failure = z.infer<typeof Failure>;

const PartState = z.strictObject({ part: Part, network: z.string(), epochs: z.array(Epoch), of: z.int().positive(),
  done: z.boolean() });
export type PartState = z.infer<typeof PartState>;

/** The complete state of a run. */
export const Run = z.strictObject({
  name: RunName,
  plan: Plan,
  status: z.enum(["running", "stopping", "stopped", "failed", "finished"]),
  parts: z.array(PartState),
  /** Test accuracy of a teacher that came from a file. */
  teacherTop1: Percent.nullable(),
  failure: Failure.nullable(),
});
export type Run = z.infer<typeof Run>;

/** The trainer, and the networks and methods that it offers. */
export const Description = z.strictObject({
  networks: z.array(z.strictObject({ name: z.string(), parameters: Count, imageSize: z.int().positive() })),
  methods: z.array(z.strictObject({ kind: z.string(), summary: z.string() })),
  version: z.string(),
  libtorch: z.string(),
  threads: z.int().positive(),
  /** The device: the GPU or the processor. */
  device: z.string(),
  /** Why no GPU is used; null if one is. */
  noGpu: z.string().nullable(),
  /** Of the trainer's process. */
  pid: z.int().positive(),
});
export type Description = z.infer<typeof Description>;

const Progress = z.strictObject({
  part: Part,
  epoch: z.int().positive(),
  of: z.int().positive(),
  step: Count,
  steps: z.int().positive(),
  losses: Losses,
  imagesPerSecond: z.number().nonnegative(),
  /** To the end of this part. */
  etaSeconds: z.number().nonnegative(),
});
export type Progress = z.infer<typeof Progress>;

/** An update that the main process sends on its own. */
export const Update = z.discriminatedUnion("type", [
  /** The current state of a run: it started, another part started, or it stopped. */
  z.strictObject({ type: z.literal("run"), run: Run }),
  z.strictObject({ type: z.literal("progress"), run: RunName, progress: Progress }),
  z.strictObject({ type: z.literal("epoch"), run: RunName, part: Part, epoch: Epoch }),
  z.strictObject({ type: z.literal("warning"), run: RunName, message: z.string() }),
  /** The window was closed: progress is being saved. */
  z.strictObject({ type: z.literal("closing") }),
]);
export type Update = z.infer<typeof Update>;

const Nothing = z.strictObject({});
const channel = <Request extends z.ZodType, Response extends z.ZodType>(request: Request, response: Response) => ({
  request,
  response,
});

/** Each request with its response. */
export const CONTRACT = {
  describe: channel(Nothing, Description),
  runs: channel(Nothing, z.array(Run)),
  open: channel(z.strictObject({ run: RunName }), Run),
  start: channel(Plan, Run),
  resume: channel(z.strictObject({ run: RunName }), Run),
  stop: channel(Nothing, z.null()),
  /** Null if nothing was chosen. `network` is the file's network if names and shapes identify it. */
  chooseWeights: channel(Nothing,
    z.strictObject({ path: Path, network: z.string().nullable(), numClasses: Count.nullable() }).nullable()),
  chooseDirectory: channel(Nothing, z.strictObject({ path: Path }).nullable()),
  exportStudent: channel(
    z.strictObject({ run: RunName, checkpoint: z.enum(["last", "best"]), format: z.enum(["safetensors", "pt"]) }),
    z.strictObject({ path: Path }).nullable(),
  ),
} as const satisfies Record<Channel, unknown>;

export type RequestOf<Name extends Channel> = z.input<(typeof CONTRACT)[Name]["request"]>;
export type ResponseOf<Name extends Channel> = z.output<(typeof CONTRACT)[Name]["response"]>;

/** A response in transit: a rejection would lose its code. */
export const Answer = z.discriminatedUnion("ok", [
  z.strictObject({ ok: z.literal(true), value: z.unknown() }),
  z.strictObject({ ok: z.literal(false), failure: Failure }),
]);
export type Answer = z.infer<typeof Answer>;

/** The object that the preload script adds to the window. */
export type Bridge = { readonly [Name in Channel]: (request: unknown) => Promise<unknown> } & {
  /** Returns a function that unsubscribes. */
  readonly onUpdate: (listener: (update: unknown) => void) => () => void;
};
