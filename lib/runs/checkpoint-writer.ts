import { setTimeout as delay } from "node:timers/promises";
import { configHash } from "./config-changes.js";
import { asSentence, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import type { FitPlan } from "../fit/plan.js";
import type { Dataset } from "../api/dataset.js";
import { Detector } from "../api/detection/detector.js";
import { detectorMetadata } from "../api/detection/detector-file.js";
import { CATEGORY_IDS_KEY, classifierMetadata } from "../api/metadata.js";
import { TRAINING_METADATA } from "../api/model.js";
import { removeOldest } from "./run-checkpoints.js";
import type { RunDirectory } from "./run-directory.js";
import type { FitEvent, SavedKind } from "../config/schemas/fit-event.js";
import type { FitProgress } from "../config/schemas/run-record.js";
import type { AnySession } from "../api/session.js";
import { namedValue } from "../api/task.js";

export interface RunPosition {
  readonly progress: FitProgress;
  /** Steps done in the epoch after `progress.epochsDone`. */
  readonly stepsDone: number;
}

/** Write order: a metrics line without its checkpoint is dropped on resume, and `last` decides where that starts. */
const ORDER: readonly SavedKind[] = ["teacher", "metrics", "best", "epoch", "student", "last"];

/** Files of one specific epoch: once the weights have changed, they can no longer be written. */
const OF_ONE_EPOCH: readonly SavedKind[] = ["best", "epoch"];

/** Writes the files of a run directory, and keeps track of those that could not be written. */
export class CheckpointWriter {
  readonly #pending = new Set<SavedKind>();
  #failure: { readonly code: string; readonly reason: string } | undefined;
  /** Position of the newest checkpoint of this process. */
  #saved: RunPosition | undefined;

  constructor(private readonly plan: FitPlan, private directory: RunDirectory, private readonly session: AnySession) {}

  /** Writes these and all pending files, and yields an event for each. */
  async *save(kinds: readonly SavedKind[], position: RunPosition): AsyncGenerator<FitEvent, void, void> {
    for (const kind of OF_ONE_EPOCH) this.#pending.delete(kind);
    for (const kind of kinds) this.#pending.add(kind);
    yield* this.#attempt(position);
  }

  async *saveWithinEpoch(position: RunPosition): AsyncGenerator<FitEvent, void, void> {
    const kinds: SavedKind[] = ["last"];
    try {
      await this.directory.restore();
      if (this.#pending.has("metrics")) await this.#writeFile("metrics", position);
      this.#pending.delete("metrics");
      if (!(await this.session.saveWithinEpoch(this.directory.file("last"), this.#metadata(position), {
        keepAs: this.directory.file("previous"),
      }))) return;
      this.#pending.delete("last");
      this.#saved = position;
      yield* this.#checkpointEvents(kinds, position);
    } catch (error) {
      this.#failed(error);
      yield this.#failureEvent(kinds, position, null);
    }
  }

  /** Retries pending files after each delay. @throws `SAVE_FAILED`: files are still pending. */
  async *retryPending(position: RunPosition, signal?: AbortSignal): AsyncGenerator<FitEvent, void, void> {
    for (const milliseconds of this.plan.retryDelaysMs) {
      if (this.#pending.size === 0 || signal?.aborted === true) break;
      yield this.#failureEvent(this.#pendingKinds(), position, milliseconds / 1000);
      await delay(milliseconds, undefined, { signal }).catch(() => undefined);
      yield* this.#attempt(position, { silent: true });
    }
    if (this.#pending.size > 0) throw this.#saveFailed(position);
  }

  #saveFailed({ progress: { epochsDone } }: RunPosition): ReviewKdError {
    return new ReviewKdError("SAVE_FAILED",
      `cannot save ${this.#pendingKinds().join(", ")} of the run in ${this.directory.path} after ${epochsDone} epochs: ` +
        `${asSentence(this.#failure?.reason ?? "unknown reason")} ${this.lastSaved()} ` +
        "In a program the trained network is still in memory: save it elsewhere with `model.save(path)`.");
  }

  /** Writes everything into another directory. @throws `SAVE_FAILED`: a file could not be written there, either. */
  async *moveTo(directory: RunDirectory, position: RunPosition): AsyncGenerator<FitEvent, void, void> {
    this.directory = directory;
    for (const kind of ["teacher", "metrics", "student", "last"] as const) this.#pending.add(kind);
    if (isBest(position)) this.#pending.add("best");
    yield* this.#attempt(position);
    if (this.#pending.size > 0) throw this.#saveFailed(position);
  }

  /** A sentence that names the newest checkpoint written. */
  lastSaved(): string {
    if (this.#saved === undefined) return "No checkpoint was written since this process started.";
    const { progress: { epochsDone }, stepsDone } = this.#saved;
    // Epochs count from 1, as on the terminal.
    const place = stepsDone > 0 ? `after step ${stepsDone} of epoch ${epochsDone + 1}`
      : epochsDone > 0 ? `after epoch ${epochsDone}` : "before the first step";
    return `The last good checkpoint is ${this.directory.file("last")}, ${place}.`;
  }

  /** Whether the newest checkpoint is at this position. */
  savedIs({ progress, stepsDone }: RunPosition): boolean {
    return this.#saved?.progress === progress && this.#saved.stepsDone === stepsDone;
  }

  /** Records the position of a checkpoint that an earlier process wrote. */
  markSaved(position: RunPosition): void {
    this.#saved = position;
  }

  async *#attempt(position: RunPosition, { silent = false } = {}): AsyncGenerator<FitEvent, void, void> {
    const written: SavedKind[] = [];
    try {
      await this.directory.restore();
      for (const kind of this.#pendingKinds()) {
        // A checkpoint whose epoch has no metrics line would leave a gap.
        if (kind === "last" && this.#pending.has("metrics")) continue;
        try {
          await this.#writeFile(kind, position);
          this.#pending.delete(kind);
          if (kind === "last") this.#saved = position;
          written.push(kind);
        } catch (error) {
          this.#failed(error);
        }
      }
    } catch (error) {
      this.#failed(error);
    }
    yield* this.#checkpointEvents(written, position);
    if (this.#pending.size > 0 && !silent) yield this.#failureEvent(this.#pendingKinds(), position, null);
  }

  #pendingKinds(): SavedKind[] {
    return ORDER.filter((kind) => this.#pending.has(kind));
  }

  async #writeFile(kind: SavedKind, position: RunPosition): Promise<void> {
    const { session, directory } = this;
    switch (kind) {
      case "teacher":
        return directory.writeTeacher();
      case "metrics":
        return directory.writeEpochs();
      case "student":
        return session.model.save(directory.file("student"), { metadata: this.#studentMetadata(position) });
      case "last":
        return session.saveCheckpoint(directory.file("last"), this.#metadata(position), {
          keepAs: directory.file("previous"),
        });
      case "best":
        return session.saveCheckpoint(directory.file("best"), this.#metadata(position));
      case "epoch": {
        await session.saveCheckpoint(directory.numbered(position.progress.epochsDone), this.#metadata(position));
        const { keepCheckpoints } = this.plan.training;
        if (keepCheckpoints !== null) await removeOldest(directory.path, keepCheckpoints);
      }
    }
  }

  #metadata({ progress }: RunPosition): Record<string, string> {
    const { config, data } = this.plan;
    return {
      ...this.#describeNetwork(),
      [TRAINING_METADATA.progress]: JSON.stringify(progress),
      [TRAINING_METADATA.config]: JSON.stringify(config ?? null),
      [TRAINING_METADATA.configHash]: configHash(config),
      ...inputOf(data),
    };
  }

  /** Checkpoints are weights files as well: a detector's results depend on its switches. */
  #describeNetwork(): Record<string, string> {
    const { model } = this.session;
    return model instanceof Detector ? detectorMetadata(model)
      : { model: model.name, numClasses: String(model.numClasses) };
  }

  #studentMetadata({ progress: { last, epochsDone }, stepsDone }: RunPosition): Record<string, string> {
    const { data } = this.plan;
    return {
      dataset: data.kind,
      ...inputOf(data),
      // Within an epoch no metric belongs to these weights.
      ...(last === null || stepsDone > 0 ? {}
        : { [this.session.task.primaryMetric]: String(namedValue(last, this.session.task.primaryMetric)) }),
      ...(epochsDone === 0 ? {} : { epoch: String(epochsDone - 1) }),
      ...(stepsDone === 0 ? {} : { stepsOfNextEpoch: String(stepsDone) }),
    };
  }

  *#checkpointEvents(kinds: readonly SavedKind[], position: RunPosition): Generator<FitEvent, void, void> {
    for (const kind of ["last", "best", "epoch", "student"] as const) {
      if (!kinds.includes(kind)) continue;
      const path = kind === "epoch" ? this.directory.numbered(position.progress.epochsDone) : this.directory.file(kind);
      yield { type: "checkpoint", kind, path, epoch: epochOf(position) };
    }
  }

  #failed(error: unknown): void {
    const code = isReviewKdError(error) ? error.code : "INTERNAL";
    this.#failure = { code, reason: messageOf(error) };
  }

  #failureEvent(kinds: SavedKind[], position: RunPosition, retrySeconds: number | null): FitEvent {
    const { code = "INTERNAL", reason = "" } = this.#failure ?? {};
    return { type: "checkpoint-failed", kinds, code, reason, epoch: epochOf(position), retrySeconds };
  }
}

/** Names and ids of the classes, and what the images are before the network receives them. */
function inputOf({ classNames, categoryIds, normalization, preprocessing }: Dataset): Record<string, string> {
  return { ...classifierMetadata({ classNames, ...preprocessing ?? { normalization } }),
    ...(categoryIds === null ? {} : { [CATEGORY_IDS_KEY]: JSON.stringify(categoryIds) }) };
}

/** Whether a state is the best so far by the primary metric of its task. */
export function isBest({ progress: { epochsDone, best }, stepsDone }: RunPosition): boolean {
  return stepsDone === 0 && best?.epoch === epochsDone - 1;
}

/** The epoch of a position: the current one, or the one just finished. */
function epochOf({ progress: { epochsDone }, stepsDone }: RunPosition): number {
  return stepsDone > 0 ? epochsDone : Math.max(0, epochsDone - 1);
}
