import { z } from "zod";
import type { DataSourceInput, StoredDataSource } from "./config/schemas/data.js";
import type { FitEvent, SystemInfo } from "./config/schemas/events.js";
import type { ModelInfo, ModelOptionsInput } from "./config/schemas/model.js";
import type { PairExplanation } from "./config/schemas/pair.js";
import type { RunConfigInput } from "./config/schemas/run-config.js";
import type { FitResult } from "./config/schemas/run-record.js";
import type { StepOptionsInput, TrainingOptionsInput } from "./config/schemas/training.js";
import type { ExportOptionsInput, WeightsChoice, WeightsInspection } from "./config/schemas/weights.js";
import { ReviewKdError } from "./errors.js";
import type { ExperimentOptions } from "./runs/experiment.js";
import type { ExplainPairOptions } from "./api/explain-pair.js";
import type { FitSettings } from "./fit/plan.js";
import type { DType, Shape } from "./config/schemas/common.js";
import type { TensorInput } from "./api/tensor.js";
import { parse } from "./config/validation.js";
import { Connection, type HostEnd } from "./host/connection.js";
import { HostDataset } from "./host/remote-data.js";
import { createRemoteSession, type HostSession, type HostSessionTarget } from "./host/remote-session.js";
import { HostDistiller, HostModel, HostTensor, type HostDistillerParts } from "./host/remote.js";
import { trainRemotely } from "./host/remote-fit.js";
import { startProcess, startUtilityProcess, startWorker, type Transport } from "./host/transport.js";

export { ERROR_CODES, isReviewKdError, ReviewKdError } from "./errors.js";
export type { ErrorCode } from "./errors.js";
export type { HostEnd } from "./host/connection.js";
export { HostDataset, HostDatasetSplit } from "./host/remote-data.js";
export { HostSession, type HostSessionTarget } from "./host/remote-session.js";
export { HostDistiller, HostModel, HostTensor, type HostDistillerParts, type HostStateDict } from "./host/remote.js";

const HostOptions = z.strictObject({
  /** A process of its own; a thread of this process; Electron's utility process. */
  via: z.enum(["process", "worker", "utilityProcess"]).default("process"),
  /** The program that runs the process, a Node or Electron. Default: this one. */
  execPath: z.string().min(1).optional(),
  /** Options of that program. */
  execArgv: z.array(z.string()).optional(),
  /** Its environment. Default: this one. */
  env: z.record(z.string(), z.string().optional()).optional(),
});

/** How {@link startHost} starts a trainer. */
export type HostOptionsInput = z.input<typeof HostOptions>;

/** Data that can be sent: anything but functions and iterables. */
export type HostDataSource = Exclude<DataSourceInput, { kind: "stream" }>;

/** Options of {@link Host.fit}: those of `fit`. */
export type HostFitOptions = HostSessionTarget & Omit<FitSettings, "data"> & TrainingOptionsInput & { readonly data: HostDataset };

/**
 * A trainer in a process or thread of its own, with the API of the package itself. What is synchronous there and needs the trainer
 * (`featureSpecs`, `toTypedArray`, `item`) is a promise here. Every call can also fail with `HOST_DIED`: then the trainer is no more, the
 * caller lives on, and the error's message and cause tell the signal and the last checkpoint. Made by {@link startHost}.
 */
export class Host {
  readonly #connection: Connection;
  /** Makes tensors in the trainer's memory. */
  readonly Tensor: { from(values: TensorInput, shape: Shape, options?: { dtype?: DType }): HostTensor };
  /** Resolves, and never rejects, when the trainer has ended, however it did. */
  readonly ended: Promise<HostEnd>;

  /** @internal */
  constructor(connection: Connection, /** Of the trainer; with a worker, of this process. */ readonly pid: number) {
    this.#connection = connection;
    this.ended = connection.ended;
    this.Tensor = { from: (values, shape, options) => HostTensor.make(connection, values, shape, options) };
  }

  /** As `createModel`. */
  async createModel(name: string, options: ModelOptionsInput = {}): Promise<HostModel> {
    return new HostModel(this.#connection, await this.#connection.call("createModel", { name, options }));
  }

  /** As `createDistiller`. */
  async createDistiller({ teacher, student, ...options }: HostDistillerParts): Promise<HostDistiller> {
    const { method, seed } = options;
    const facts = await this.#connection.call("createDistiller", { teacher: teacher.handle, student: student.handle, method, seed });
    return new HostDistiller(this.#connection, facts, teacher, student);
  }

  /** As `createSession`. */
  createSession(options: HostSessionTarget & StepOptionsInput): Promise<HostSession> {
    return createRemoteSession(this.#connection, options);
  }

  /**
   * As `loadDataset`, but for streams: functions and iterables cannot be sent.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT` for those.
   */
  async loadDataset(source: HostDataSource): Promise<HostDataset> {
    if ((source as DataSourceInput).kind === "stream") {
      throw new ReviewKdError("INVALID_ARGUMENT", "expected data that can be sent to another process, got kind \"stream\", whose items are made by functions here",
        { valid: ["synthetic", "cifar10", "cifar100", "image-folder", "idx", "arrays"] satisfies (StoredDataSource["kind"] | "arrays")[] });
    }
    return new HostDataset(this.#connection, await this.#connection.call("loadDataset", { source }));
  }

  /** As `fit`. Where this process ends in its midst, the trainer saves into `runDirectory` and ends as well. */
  fit(options: HostFitOptions): AsyncGenerator<FitEvent, FitResult, void> {
    const { distiller, model, data, signal, ...rest } = options;
    return trainRemotely(this.#connection, () =>
      this.#connection.call("fit", { distiller: distiller?.handle, model: model?.handle, data: data.handle, options: rest }, { signal, keepSignal: true }), rest.runDirectory);
  }

  /** As `runExperiment`. */
  runExperiment(config: RunConfigInput, { signal, ...options }: ExperimentOptions = {}): AsyncGenerator<FitEvent, FitResult, void> {
    return trainRemotely(this.#connection, () => this.#connection.call("runExperiment", { config, options }, { signal, keepSignal: true }), options.runDirectory);
  }

  /** As `explainPair`. */
  explainPair({ signal, ...options }: ExplainPairOptions): Promise<PairExplanation> {
    return this.#connection.call("explainPair", { options }, { signal });
  }

  /** As `inspectWeights`. */
  inspectWeights(path: string, options: WeightsChoice = {}): Promise<WeightsInspection> {
    return this.#connection.call("inspectWeights", { path, options });
  }

  /** As `exportStudent`. Relative paths are those of this process where the trainer was started. */
  exportStudent(runDirectory: string, path?: string, options: ExportOptionsInput = {}): Promise<string> {
    return this.#connection.call("exportStudent", { runDirectory, path, options });
  }

  /** As `listModels`. */
  listModels(): Promise<ModelInfo[]> {
    return this.#connection.call("listModels", {});
  }

  /** As `systemInfo`, of the trainer. */
  systemInfo(): Promise<SystemInfo> {
    return this.#connection.call("systemInfo", {});
  }

  /** Stops what runs, which saves where it has a run directory, and ends the trainer. */
  async close(): Promise<HostEnd> {
    return this.#connection.close();
  }

  /** Ends the trainer at once. What waits for it rejects with `HOST_DIED`. */
  kill(): void {
    this.#connection.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts a trainer apart from this process, so that nothing it does can stop or crash it.
 *
 * @param options - `via`: `"process"` (default), `"worker"` (no protection from crashes), or, in Electron's main process, `"utilityProcess"`.
 * @throws ReviewKdError `HOST_DIED` where it does not start, `DEPENDENCY_MISSING` (no Electron), `INVALID_ARGUMENT`.
 * @example
 * ```ts
 * const rk = await startHost({ via: "process" });
 * const student = await rk.createModel("resnet20", { numClasses: 100 });
 * ```
 */
export async function startHost(options: HostOptionsInput = {}): Promise<Host> {
  const { via, ...rest } = parse(HostOptions, options, "host options");
  if (rest.execPath !== undefined && via !== "process") {
    throw new ReviewKdError("INVALID_ARGUMENT", `expected via "process" with an execPath, got "${via}"`);
  }
  const connection = new Connection(await start(via, rest));
  return new Host(connection, await connection.ready);
}

async function start(via: z.output<typeof HostOptions>["via"], options: Omit<z.output<typeof HostOptions>, "via">): Promise<Transport> {
  switch (via) {
    case "process":
      return startProcess(options);
    case "worker":
      return startWorker(options);
    case "utilityProcess":
      return startUtilityProcess(options);
  }
}
