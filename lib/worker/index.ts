import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import type { DType, Shape } from "../config/schemas/common.js";
import { DataSource, type DataSourceInput } from "../config/schemas/data.js";
import { tensorParts, type TensorInput } from "../api/tensor.js";
import { parse } from "../config/validation.js";
import { API_TABLE } from "./api-table.js";
import { Connection, type WorkerExit } from "./connection.js";
import type { RemoteDataset, RemoteFunctions, RemoteTensor } from "./remote-types.js";
import { startProcess, startThread, startUtilityProcess } from "./transport.js";

export { ERROR_CODES, isReviewKdError, ReviewKdError } from "../errors.js";
export type { ErrorCode } from "../errors.js";
export type { WorkerExit } from "./connection.js";
export { RemoteObject } from "./remote-object.js";
export type { Remote, RemoteDataset, RemoteDatasetSplit, RemoteDistiller, RemoteFunctions, RemoteModel, RemoteSession,
  RemoteTensor, RemoteValue } from "./remote-types.js";

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
export type WorkerOptionsInput = z.input<typeof WorkerOptions>;

/** Data that can be sent: without functions and iterables. */
export type SendableDataSource = Exclude<DataSourceInput, { kind: "stream" }>;

/**
 * A worker, with the API of the package itself. What is synchronous there and requires the worker (`featureSpecs`,
 * `toTypedArray`, `item`) is a promise here. Every call can also fail with `WORKER_EXITED`: the worker is gone, the
 * caller continues, and the error's message and cause report the signal and the last checkpoint. Relative paths are
 * those of this process when the worker was started. When this process ends during `fit`, the worker saves into
 * `runDirectory` and exits as well. Created by {@link startWorker}.
 */
export interface TrainingWorker extends Omit<RemoteFunctions, "loadDataset">, AsyncDisposable {
  /** Of the worker; for a thread, of this process. */
  readonly pid: number;
  /** Resolves, and never rejects, when the worker has exited. */
  readonly exited: Promise<WorkerExit>;
  /** Creates tensors in the worker's memory. */
  readonly Tensor: { from(values: TensorInput, shape: Shape, options?: { dtype?: DType }): RemoteTensor };
  /**
   * As `loadDataset`, except for streams: functions and iterables cannot be sent.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT` for those.
   */
  loadDataset(source: SendableDataSource): Promise<RemoteDataset>;
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
 * @throws ReviewKdError `WORKER_EXITED` if it does not start, `DEPENDENCY_MISSING` (no Electron), `INVALID_ARGUMENT`.
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
  const connection = new Connection(await START[via](rest), API_TABLE);
  const pid = await connection.ready;
  const functions = connection.functions() as unknown as RemoteFunctions;
  return {
    ...functions,
    pid,
    exited: connection.exited,
    Tensor: { from: (values, shape, given) => createTensor(connection, values, shape, given) },
    loadDataset: async (source) => {
      refuseStream(source);
      return functions.loadDataset(source);
    },
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

function refuseStream({ kind }: DataSourceInput): void {
  if (kind !== "stream") return;
  const valid = DataSource.options.map(({ shape }) => shape.kind.value).filter((other) => other !== kind);
  throw new ReviewKdError("INVALID_ARGUMENT",
    'invalid kind: expected data that can be sent to a worker, received "stream", whose items are made by functions here. Load it in this process.',
    { valid });
}
