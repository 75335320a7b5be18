import { setTimeout as delay } from "node:timers/promises";
import { configHash } from "./config-changes.js";
import { isReviewKdError, messageOf, ReviewKdError } from "./errors.js";
import type { FitPlan } from "./fit-options.js";
import { CLASS_NAMES_KEY } from "./model.js";
import { removeOldest } from "./run-checkpoints.js";
import type { RunDirectory } from "./run-directory.js";
import type { FitEvent, SavedKind } from "./schemas/events.js";
import type { FitProgress } from "./schemas/run-record.js";
import type { Session } from "./session.js";
import { namedValue } from "./task.js";

/** Keys of a checkpoint's metadata: a {@link FitProgress}, the configuration, and what tells it from others. */
export const METADATA = { progress: "fit", config: "config", configHash: "configHash" } as const;

/** How far a training is. */
export interface Standing {
  readonly progress: FitProgress;
  /** Steps done in the epoch after `progress.epochsDone`. */
  readonly stepsDone: number;
}

/** The order in which files are written: a line without its checkpoint is cut on resume, and `last` decides where a resumed run begins. */
const ORDER: readonly SavedKind[] = ["metrics", "best", "epoch", "student", "last"];

/** These are of one epoch: once the weights have moved on they cannot be made up for. */
const OF_ONE_EPOCH: readonly SavedKind[] = ["best", "epoch"];

/** Writes what a run directory is due, and remembers what could not be written. */
export class FitSaver {
  /** What could not be written so far. */
  readonly #owed = new Set<SavedKind>();
  #failure: { readonly code: string; readonly reason: string } | undefined;
  /** Where the newest checkpoint of this process stands. */
  #saved: Standing | undefined;

  constructor(private readonly plan: FitPlan, private directory: RunDirectory, private readonly session: Session) {}

  /** Writes these, and what is owed, and tells of both. */
  async *save(kinds: readonly SavedKind[], standing: Standing): AsyncGenerator<FitEvent, void, void> {
    for (const kind of OF_ONE_EPOCH) this.#owed.delete(kind);
    for (const kind of kinds) this.#owed.add(kind);
    yield* this.#attempt(standing);
  }

  /** Saves between two steps of the epoch that runs. */
  async *saveWithinEpoch(standing: Standing): AsyncGenerator<FitEvent, void, void> {
    const kinds: SavedKind[] = ["last"];
    try {
      await this.directory.restore();
      if (this.#owed.has("metrics")) await this.#writeFile("metrics", standing);
      this.#owed.delete("metrics");
      if (!(await this.session.saveWithinEpoch(this.directory.file("last"), this.#metadata(standing), this.#keepingPrevious()))) return;
      this.#owed.delete("last");
      this.#saved = standing;
      yield* this.#told(kinds, standing);
    } catch (error) {
      this.#failed(error);
      yield this.#failureEvent(kinds, standing, null);
    }
  }

  /**
   * Tries again what is owed, after each of the pauses.
   *
   * @throws `SAVE_FAILED`: something is still owed.
   */
  async *settle(standing: Standing, signal?: AbortSignal): AsyncGenerator<FitEvent, void, void> {
    for (const milliseconds of this.plan.retryDelaysMs) {
      if (this.#owesNothing || signal?.aborted === true) break;
      yield this.#failureEvent(this.#owes(), standing, milliseconds / 1000);
      await delay(milliseconds, undefined, { signal }).catch(() => undefined);
      yield* this.#attempt(standing, { silent: true });
    }
    if (!this.#owesNothing) throw this.#saveFailed(standing);
  }

  #saveFailed({ progress: { epochsDone } }: Standing): ReviewKdError {
    return new ReviewKdError(
      "SAVE_FAILED",
      `expected to save ${this.#owes().join(", ")} of the run in ${this.directory.path} after ${epochsDone} epochs, got: ${this.#failure?.reason ?? ""}. ` +
        `${this.lastSaved()} In a program the trained network is still in memory: \`model.save(path)\` writes it elsewhere.`,
    );
  }

  /**
   * Writes everything into another directory.
   *
   * @throws `SAVE_FAILED`: something could not be written there, either.
   */
  async *moveTo(directory: RunDirectory, standing: Standing): AsyncGenerator<FitEvent, void, void> {
    this.directory = directory;
    for (const kind of ["metrics", "student", "last"] as const) this.#owed.add(kind);
    if (isBest(standing)) this.#owed.add("best");
    yield* this.#attempt(standing);
    if (!this.#owesNothing) throw this.#saveFailed(standing);
  }

  /** A sentence that names the newest checkpoint that was written. */
  lastSaved(): string {
    if (this.#saved === undefined) return "No checkpoint was written since this process began.";
    const { progress: { epochsDone }, stepsDone } = this.#saved;
    const place = stepsDone > 0 ? `step ${stepsDone} of epoch ${epochsDone}` : `epoch ${epochsDone - 1}`;
    return `The last good checkpoint is ${this.directory.file("last")}, after ${place}.`;
  }

  /** Whether the newest checkpoint is of this state. */
  savedIs({ progress, stepsDone }: Standing): boolean {
    return this.#saved?.progress === progress && this.#saved.stepsDone === stepsDone;
  }

  /** A checkpoint that an earlier process wrote. */
  found(standing: Standing): void {
    this.#saved = standing;
  }

  async *#attempt(standing: Standing, { silent = false } = {}): AsyncGenerator<FitEvent, void, void> {
    const written: SavedKind[] = [];
    try {
      await this.directory.restore();
      for (const kind of this.#owes()) {
        // A checkpoint whose epoch has no line would leave a gap.
        if (kind === "last" && this.#owed.has("metrics")) continue;
        if (await this.#write(kind, standing)) written.push(kind);
      }
    } catch (error) {
      this.#failed(error);
    }
    yield* this.#told(written, standing);
    if (!this.#owesNothing && !silent) yield this.#failureEvent(this.#owes(), standing, null);
  }

  get #owesNothing(): boolean {
    return this.#owed.size === 0;
  }

  /** What is owed, in the order in which it is written. */
  #owes(): SavedKind[] {
    return ORDER.filter((kind) => this.#owed.has(kind));
  }

  async #write(kind: SavedKind, standing: Standing): Promise<boolean> {
    try {
      await this.#writeFile(kind, standing);
    } catch (error) {
      this.#failed(error);
      return false;
    }
    this.#owed.delete(kind);
    if (kind === "last") this.#saved = standing;
    return true;
  }

  async #writeFile(kind: SavedKind, standing: Standing): Promise<void> {
    const { session, directory } = this;
    switch (kind) {
      case "metrics":
        await directory.writeEpochs();
        break;
      case "student":
        await session.model.save(directory.file("student"), { metadata: this.#studentMetadata(standing) });
        break;
      case "last":
        await session.saveCheckpoint(directory.file("last"), this.#metadata(standing), this.#keepingPrevious());
        break;
      case "best":
        await session.saveCheckpoint(directory.file("best"), this.#metadata(standing));
        break;
      case "epoch": {
        await session.saveCheckpoint(directory.numbered(standing.progress.epochsDone), this.#metadata(standing));
        const { keepCheckpoints } = this.plan.training;
        if (keepCheckpoints !== null) await removeOldest(directory.path, keepCheckpoints);
        break;
      }
    }
  }

  #keepingPrevious(): { keepAs: string } {
    return { keepAs: this.directory.file("previous") };
  }

  #metadata({ progress }: Standing): Record<string, string> {
    const { config, data } = this.plan;
    return {
      [METADATA.progress]: JSON.stringify(progress),
      [METADATA.config]: JSON.stringify(config ?? null),
      [METADATA.configHash]: configHash(config),
      [CLASS_NAMES_KEY]: JSON.stringify(data.classNames),
    };
  }

  #studentMetadata({ progress: { last, epochsDone }, stepsDone }: Standing): Record<string, string> {
    const { data } = this.plan;
    return {
      dataset: data.kind,
      [CLASS_NAMES_KEY]: JSON.stringify(data.classNames),
      normalization: JSON.stringify(data.normalization),
      // Within an epoch no metric belongs to these weights.
      ...(last === null || stepsDone > 0 ? {} : { [this.session.task.primaryMetric]: String(namedValue(last, this.session.task.primaryMetric)) }),
      ...(epochsDone === 0 ? {} : { epoch: String(epochsDone - 1) }),
      ...(stepsDone === 0 ? {} : { stepsOfNextEpoch: String(stepsDone) }),
    };
  }

  *#told(kinds: readonly SavedKind[], standing: Standing): Generator<FitEvent, void, void> {
    for (const kind of ["last", "best", "epoch", "student"] as const) {
      if (!kinds.includes(kind)) continue;
      const path = kind === "epoch" ? this.directory.numbered(standing.progress.epochsDone) : this.directory.file(kind);
      yield { type: "checkpoint", kind, path, epoch: epochOf(standing) };
    }
  }

  #failed(error: unknown): void {
    const code = isReviewKdError(error) ? error.code : "INTERNAL";
    this.#failure = { code, reason: messageOf(error) };
  }

  #failureEvent(kinds: SavedKind[], standing: Standing, retrySeconds: number | null): FitEvent {
    const { code = "INTERNAL", reason = "" } = this.#failure ?? {};
    return { type: "checkpoint-failed", kinds, code, reason, epoch: epochOf(standing), retrySeconds };
  }
}

/** Whether a state is the best so far by the primary metric of its task. */
export function isBest({ progress: { epochsDone, best }, stepsDone }: Standing): boolean {
  return stepsDone === 0 && best?.epoch === epochsDone - 1;
}

/** The epoch that a state belongs to: the one that it is in, or the one that it finished. */
function epochOf({ progress: { epochsDone }, stepsDone }: Standing): number {
  return stepsDone > 0 ? epochsDone : Math.max(0, epochsDone - 1);
}
