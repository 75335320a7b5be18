// The caller's side of sessions.
import type { Batch } from "../api/dataset.js";
import { ReviewKdError } from "../errors.js";
import type { EpochProgress, EpochSummary, Evaluation, StepResult } from "../config/schemas/events.js";
import type { EvaluateOptions } from "../api/model.js";
import type { TaskInfo } from "../config/schemas/task.js";
import type { StepOptions, StepOptionsInput } from "../config/schemas/training.js";
import type { SaveCheckpointOptions, Session, SessionPosition, TrainEpochOptions } from "../api/session.js";
import type { Connection } from "./connection.js";
import type { SessionFacts } from "./protocol.js";
import { toRemoteState, type HostDistiller, type HostModel, type HostStateDict } from "./remote.js";
import { evaluateRemotely, type HostDataset, type HostDatasetSplit } from "./remote-data.js";
import { RemoteThing, type Api, type Remote } from "./remote-thing.js";

/** What a session of a host trains. */
export type HostSessionTarget =
  | { readonly distiller: HostDistiller; readonly model?: never }
  | { readonly model: HostModel; readonly distiller?: never };

/** {@link Session} in the trainer's process. */
export class HostSession extends RemoteThing implements Remote<Session> {
  readonly options: StepOptions;
  readonly #task: TaskInfo;

  /** @internal */
  constructor(connection: Connection, facts: SessionFacts, readonly model: HostModel, readonly distiller: HostDistiller | undefined) {
    super(connection, facts.handle, "Session");
    this.options = facts.options;
    this.#task = facts.task;
  }

  get task(): TaskInfo {
    return this.#task;
  }

  async step(batch: Api<Batch> | readonly Api<Batch>[]): Promise<StepResult> {
    const batches: readonly Api<Batch>[] = "images" in batch ? [batch] : batch;
    return this.connection.call("step", {
      session: this.handle, batches: batches.map(({ images, labels }) => ({ images: images.handle, labels: labels.handle })),
    });
  }

  async trainEpoch(data: HostDataset, { signal, onProgress, ...options }: TrainEpochOptions): Promise<EpochSummary> {
    const report = onProgress === undefined ? undefined : (value: unknown): void => { if (typeof value === "object") onProgress(value as EpochProgress); };
    return this.connection.call("trainEpoch", { session: this.handle, data: data.handle, options }, { signal, onProgress: report });
  }

  evaluate(data: HostDatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluateRemotely(this, data, options);
  }

  async gradients(): Promise<HostStateDict> {
    return toRemoteState(this.connection, await this.connection.call("gradients", { session: this.handle }));
  }

  async position(): Promise<SessionPosition> {
    return this.connection.call("position", { session: this.handle });
  }

  async setEpoch(epoch: number): Promise<void> {
    await this.connection.call("setEpoch", { session: this.handle, epoch });
  }

  async setLearningRate(learningRate: number): Promise<void> {
    await this.connection.call("setLearningRate", { session: this.handle, learningRate });
  }

  async saveCheckpoint(path: string, metadata: Readonly<Record<string, string>> = {}, options: SaveCheckpointOptions = {}): Promise<void> {
    await this.connection.call("saveCheckpoint", { session: this.handle, path, metadata, ...options });
    this.connection.saved(path);
  }

  async saveWithinEpoch(path: string, metadata: Readonly<Record<string, string>> = {}, options: SaveCheckpointOptions = {}): Promise<boolean> {
    const written = await this.connection.call("saveWithinEpoch", { session: this.handle, path, metadata, ...options });
    if (written) this.connection.saved(path);
    return written;
  }

  async loadCheckpoint(path: string, options: { readonly otherTeacher?: boolean | undefined } = {}): Promise<Record<string, string>> {
    return this.connection.call("loadCheckpoint", { session: this.handle, path, ...options });
  }
}

/** @internal */
export async function createRemoteSession(connection: Connection, { distiller, model, ...options }: HostSessionTarget & StepOptionsInput): Promise<HostSession> {
  const facts = await connection.call("createSession", { distiller: distiller?.handle, model: model?.handle, options });
  const trained = distiller?.student ?? model;
  // The trainer has refused both and none.
  if (trained === undefined) throw new ReviewKdError("INTERNAL", "expected the trainer to refuse a session without a network");
  for (const moved of [trained, distiller?.teacher]) moved?.movedTo(facts.device);
  return new HostSession(connection, facts, trained, distiller);
}
