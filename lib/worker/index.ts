/// <reference lib="esnext.disposable" preserve="true" />
import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import type { DType, Shape } from "../config/schemas/common.js";
import { DataSource, type DataSourceInput, type DetectionSourceInput,
  type LabelledSourceInput } from "../config/schemas/data.js";
import type { Batch, DetectionBatch } from "../api/dataset.js";
import type { LoadDatasetOptions } from "../datasets/load-dataset.js";
import type { CocoEvaluation, EvaluateDetectionsOptions, VocEvaluation } from "../detection/evaluate.js";
import { tensorParts, type TensorInput } from "../api/tensor.js";
import { parse } from "../config/validation.js";
import { API_TABLE } from "./api-table.js";
import { Connection } from "./connection.js";
import type { MaskFunctions } from "./api.js";
import type { RemoteDataset, RemoteFunctions, RemoteMasks, RemoteTensor, RemoteValue } from "./remote-types.js";
import type { WorkerExit } from "./worker-exit.js";
import { startProcess, startThread, startUtilityProcess } from "./transport.js";

export { ERROR_CODES, isReviewKdError, ReviewKdError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { SignalName, WorkerExit } from "./worker-exit.js";
export { RemoteObject } from "./remote-object.js";
export type { Remote, RemoteDataset, RemoteDatasetSplit, RemoteDistiller, RemoteFunctions, RemoteMasks, RemoteModel,
  RemoteSession, RemoteTensor, RemoteValue } from "./remote-types.js";

const WorkerOptions = z.strictObject({
  /** A process of its own; a thread of this process; Electron's utility process. */
  via: z.enum(["process", "worker", "utilityProcess"]).default("process"),
  /** The program that runs the process, a Node or Electron. Default: this one. */
  execPath: z.string().min(1).optional(),
  /** Options of that program. */
  execArgv: z.array(z.string()).optional(),
  /** Its environment. Default: this one. */
  env: z.record(z.string(), z.string().optional()).optional(),
});

const START = { process: startProcess, worker: startThread, utilityProcess: startUtilityProcess };

/** How {@link startWorker} starts a worker. */
export interface WorkerOptionsInput extends z.input<typeof WorkerOptions> {}

/** Data of these kinds consist of functions, iterables or objects of this process. */
const UNSENDABLE = ["stream", "boxes"] as const;
type Unsendable = { kind: (typeof UNSENDABLE)[number] };

/** Data that can be sent. */
export type SendableDataSource = Exclude<DataSourceInput, Unsendable>;

/**
 * A worker, with the API of the package itself. What is synchronous there and requires the worker (`featureSpecs`,
 * `toTypedArray`, `item`) is a promise here. Every call can also fail with `WORKER_EXITED`: the worker is gone, the
 * caller continues, and the error's message and cause report the signal and the last checkpoint. Relative paths are
 * those of this process when the worker was started. When this process ends during `fit`, the worker saves into
 * `runDirectory` and exits as well. Created by {@link startWorker}.
 */
export interface TrainingWorker
  extends Omit<RemoteFunctions, "loadDataset" | "evaluateDetections" | keyof MaskFunctions>, AsyncDisposable {
  /** Of the worker; for a thread, of this process. */
  readonly pid: number;
  /** Resolves, and never rejects, when the worker has exited. */
  readonly exited: Promise<WorkerExit>;
  /** Creates tensors in the worker's memory. */
  readonly Tensor: { from(values: TensorInput, shape: Shape, options?: { dtype?: DType }): RemoteTensor };
  /** The functions of `masks`, for masks and tensors of the worker. */
  readonly masks: RemoteMasks;
  /**
   * As `loadDataset`, except for streams and boxes from JavaScript, whose functions and objects cannot be sent.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT` for those.
   */
  loadDataset(source: Exclude<DetectionSourceInput, Unsendable>,
    options?: LoadDatasetOptions): Promise<RemoteDataset<DetectionBatch>>;
  loadDataset(source: Exclude<LabelledSourceInput, Unsendable>,
    options?: LoadDatasetOptions): Promise<RemoteDataset<Batch>>;
  loadDataset(source: SendableDataSource, options?: LoadDatasetOptions): Promise<RemoteDataset>;
  evaluateDetections(
    options: EvaluateDetectionsOptions & { readonly metric: "voc2007" | "voc2010" },
  ): Promise<RemoteValue<VocEvaluation>>;
  evaluateDetections(
    options: EvaluateDetectionsOptions & { readonly metric?: "coco" | undefined },
  ): Promise<RemoteValue<CocoEvaluation>>;
  evaluateDetections(options: EvaluateDetectionsOptions): Promise<RemoteValue<CocoEvaluation | VocEvaluation>>;
  /** Stops what runs, which saves if it has a run directory, and ends the worker. */
  close(): Promise<WorkerExit>;
  /** Ends the worker at once. What waits for it rejects with `WORKER_EXITED`. */
  kill(): void;
}

/**
 * Starts training apart from this process, so that nothing it does can block or crash it.
 *
 * @param options - `via`: `"process"` (default), `"worker"` (no protection from crashes), or, in Electron's main
 * process, `"utilityProcess"`.
 * @throws ReviewKdError `WORKER_EXITED` if it does not start, `DEPENDENCY_MISSING` (no Electron, no Node to
 * start, or a bundle without the package), `INVALID_ARGUMENT`.
 * @example
 * ```ts
 * const rk = await startWorker({ via: "process" });
 * const student = await rk.createModel("resnet20", { numClasses: 100 });
 * ```
 */
export async function startWorker(options: WorkerOptionsInput = {}): Promise<TrainingWorker> {
  const { via, ...rest } = parse(WorkerOptions, options, "worker options");
  if (rest.execPath !== undefined && via !== "process") {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid via: expected "process" with an execPath, received "${via}". Leave out execPath.`);
  }
  const connection = new Connection(START[via](rest), API_TABLE);
  const pid = await connection.ready;
  const { masks, functions } = grouped(connection.functions());
  return {
    ...functions,
    masks,
    evaluateDetections: functions.evaluateDetections as TrainingWorker["evaluateDetections"],
    pid,
    exited: connection.exited,
    Tensor: { from: (values, shape, given) => createTensor(connection, values, shape, given) },
    loadDataset: (async (source, given) => {
      refuseUnsendable(source);
      return functions.loadDataset(source, given);
    }) as TrainingWorker["loadDataset"],
    close: () => connection.close(),
    kill: () => {
      connection.kill();
    },
    [Symbol.asyncDispose]: async () => {
      await connection.close();
    },
  };
}

/** Checks what can be checked here, and does not wait for the worker: what it refuses is the error of each use. */
function createTensor(connection: Connection, values: TensorInput, shape: Shape,
  options: { dtype?: DType } = {}): RemoteTensor {
  const { values: array, shape: lengths, dtype } = tensorParts(values, shape, options);
  const count = lengths.reduce((product, length) => product * length, 1);
  if (array.length !== count) {
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid values: expected ${count} for shape [${lengths.join(", ")}], received ${array.length}. Pass one value for each element.`);
  }
  const state = { shape: Object.freeze([...lengths]), dtype };
  return connection.create("Tensor", state, [array, [...lengths], { dtype }]) as unknown as RemoteTensor;
}

/** The functions of a worker, those of `masks` apart. */
function grouped(all: ReturnType<Connection["functions"]>): { masks: RemoteMasks; functions: RemoteFunctions } {
  const prefix = "masks.";
  const isOfMasks = ([name]: readonly [string, unknown]): boolean => name.startsWith(prefix);
  const rows = Object.entries(all);
  const masks = rows.filter(isOfMasks).map(([name, call]) => [name.slice(prefix.length), call] as const);
  return { masks: Object.fromEntries(masks) as unknown as RemoteMasks,
    functions: Object.fromEntries(rows.filter((row) => !isOfMasks(row))) as unknown as RemoteFunctions };
}

function refuseUnsendable({ kind }: DataSourceInput): void {
  if (!(UNSENDABLE as readonly string[]).includes(kind)) return;
  const valid = DataSource.options.map(({ shape }) => shape.kind.value)
    .filter((other) => !(UNSENDABLE as readonly string[]).includes(other));
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid kind: expected data that can be sent to a worker, received "${kind}", which has functions or objects of this process. Load it in this process.`,
    { valid });
}
