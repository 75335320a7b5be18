import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { z } from "zod";
import { differences, flattened } from "../config/differences.js";
import { PositiveNumber } from "../config/schemas/common.js";
import { assertObject, parse, valueText } from "../config/validation.js";
import { addressOf } from "../distributed/address.js";
import { processEnvironment, type ProcessEnvironment } from "../distributed/environment.js";
import { atCall, isReviewKdError, messageOf, ReviewKdError, type ErrorCode } from "../errors.js";
import { VERSION } from "../install/version.js";
import { addon } from "../native.js";
import type { NativeMember, NativeProcessGroup } from "../native-types.js";
import { withSignal } from "./abort.js";
import { CLASS_NAME, NativeObject, receivedText } from "./native-object.js";

/** Options of {@link joinProcessGroup}. */
export interface JoinOptions {
  /**
   * The place of this process among the others. Default: {@link processEnvironment}, the variables of torchrun, SLURM,
   * OpenMPI, Kubernetes' operators and `reviewkd launch`.
   */
  readonly environment?: ProcessEnvironment | undefined;
  /**
   * Seconds that a process waits for others: when they meet, and in each operation that takes all of them, so that
   * after as long a time at most all end if one of them hangs. Default 600.
   */
  readonly timeoutSeconds?: number | undefined;
  /** Stops waiting for the others. */
  readonly signal?: AbortSignal | undefined;
}

const JoinSettings = z.strictObject({ timeoutSeconds: PositiveNumber.default(600) });

/** A process of a {@link ProcessGroup}. */
export type ProcessGroupMember = NativeMember;

/** Errors that all processes have, each with the same text. */
const commonErrors = new WeakSet<object>();

/** Errors of native sessions that all processes meet at the same step. */
const COMMON_CODES: ReadonlySet<ErrorCode> = new Set(["ABORTED", "NON_FINITE_LOSS"]);

/**
 * The processes that train together, each with a part of every batch. Created by {@link joinProcessGroup}. All of them
 * call the same functions in the same order; one that ends or hangs makes the others throw `PROCESS_LOST`.
 */
export class ProcessGroup extends NativeObject<NativeProcessGroup> {
  #sessions = 0;
  #left: Promise<void> | undefined;
  #isDisposed = false;

  /** @internal */
  constructor(
    native: NativeProcessGroup,
    /** The index of this process among all, from 0. The first one writes files. */
    readonly rank: number,
    /** The number of processes. */
    readonly size: number,
    /** The index of this process among those of its machine, from 0. */
    readonly localRank: number,
    /** The program that started the processes; `null` for a group of one. */
    readonly launcher: ProcessEnvironment["launcher"] | null,
  ) {
    super(native);
  }

  /** @internal */
  override get [CLASS_NAME](): string {
    return "ProcessGroup";
  }

  /** All processes, in the order of their ranks. */
  get members(): ProcessGroupMember[] {
    return this.native.members();
  }

  /**
   * Sends a text to all processes and receives theirs.
   *
   * @returns the texts of all processes, in the order of their ranks.
   * @throws ReviewKdError `PROCESS_LOST`, naming the process.
   */
  async exchange(text: string): Promise<string[]> {
    if (typeof text !== "string")
      throw new ReviewKdError("INVALID_ARGUMENT", `invalid text: expected a string, received ${valueText(text)}.`);
    return atCall(this.native.exchange(text));
  }

  /** Waits until all processes have come here. @throws ReviewKdError `PROCESS_LOST`. */
  async barrier(): Promise<void> {
    await this.exchange("");
  }

  /**
   * Runs work in the first process alone, and returns its result, a value of JSON, in all of them. If it fails, all
   * throw the same error.
   *
   * @throws ReviewKdError what `work` throws, and `PROCESS_LOST`.
   */
  async fromFirst<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.rank > 0) {
      const [first = "{}"] = await this.exchange("");
      const answer = JSON.parse(first) as Answer<Result>;
      if (!("error" in answer)) return answer.result;
      throw common(new ReviewKdError(answer.error.code, answer.error.message));
    }
    try {
      const result = await work();
      await this.exchange(JSON.stringify({ result } satisfies Answer<Result>));
      return result;
    } catch (error) {
      if (isReviewKdError(error) && error.code === "PROCESS_LOST") throw error;
      const code = isReviewKdError(error) ? error.code : "INTERNAL";
      await this.exchange(JSON.stringify({ error: { code, message: messageOf(error) } } satisfies Answer<Result>));
      throw common(error);
    }
  }

  /**
   * Compares settings of all processes, values of JSON, with those of the first one.
   *
   * @throws ReviewKdError `PROCESSES_DIFFER`, in all of them, with the settings that differ.
   */
  async assertSame(settings: unknown, what: string): Promise<void> {
    const texts = await this.exchange(JSON.stringify(settings ?? null));
    const all = texts.map((text) => flattened(JSON.parse(text) as unknown));
    const [first = new Map<string, unknown>()] = all;
    for (const [rank, other] of all.entries()) {
      const found = differences(first, other);
      if (found.length === 0) continue;
      const list = found.map(({ key, was, now }) =>
        `  - ${key}: ${shown(was)} in ${this.describe(0)}, ${shown(now)} in ${this.describe(rank)}`
      );
      throw common(
        new ReviewKdError("PROCESSES_DIFFER",
          `invalid ${what}: expected the same in all processes, received ${found.length} difference${found.length === 1 ? "" : "s"}:\n${list.join("\n")}\nStart all processes with the same command and the same files.`),
      );
    }
  }

  /** "rank 1 (node-2, process 4711)". */
  describe(rank: number): string {
    const member = this.members[rank];
    return member === undefined ? `rank ${rank}` : `rank ${rank} (${member.host}, process ${member.processId})`;
  }

  /**
   * Reports to the others why this process ends, so that their error names the reason instead of a lost connection.
   * Sessions report their errors themselves. The group cannot be used afterwards.
   */
  async fail(error: unknown): Promise<void> {
    const code = isReviewKdError(error) ? error.code : "INTERNAL";
    if (code !== "PROCESS_LOST") await this.native.reportError(code, messageOf(error));
  }

  /**
   * Leaves the group: waits for the others a few seconds at most, and closes all connections. Leaving twice is allowed.
   * `await using group = await joinProcessGroup()` leaves it at the end of its block.
   *
   * @throws ReviewKdError `DISPOSED` after `dispose()`.
   */
  async leave(): Promise<void> {
    this.#left ??= this.native.leave().then(() => {
      this.dispose();
    });
    return this.#left;
  }

  /**
   * Closes all connections at once, without waiting for the others: those that still exchange something with this
   * process throw `PROCESS_LOST`, and all do if it is the first one, at which they meet. Programs that train to their
   * end call {@link ProcessGroup.leave}.
   */
  override dispose(): void {
    this.#isDisposed = true;
    super.dispose();
  }

  /** Leaves the group, unless it was left or disposed: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDisposed) await this.leave();
  }

  /** @internal The same name in all processes, used once. */
  nextSession(): string {
    return `session-${this.#sessions++}`;
  }
}

type Answer<Result> =
  | { readonly result: Result }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

/** @internal Marks an error that all processes have. */
export function common<Thrown>(error: Thrown): Thrown {
  if (typeof error === "object" && error !== null) commonErrors.add(error);
  return error;
}

/** @internal Work of a native session in which all processes take part: marks errors that all of them have. */
export function withCommonErrors<Result>(group: ProcessGroup | undefined, work: Promise<Result>): Promise<Result> {
  if (group === undefined) return work;
  return work.catch((error: unknown) => {
    throw isReviewKdError(error) && COMMON_CODES.has(error.code) ? common(error) : error;
  });
}

/**
 * Whether all processes of a group have this error, so that none needs to learn of it and the first one alone needs to
 * report it: of a comparison or work of the first one, of a session's epoch or evaluation that any of them has stopped,
 * and of a loss that is not finite. An `ABORTED` of one process alone, such as of its data, is none.
 *
 * @example
 * ```ts
 * if (!isCommonError(error)) await group.fail(error);
 * if (!isCommonError(error) || group.rank === 0) console.error(error);
 * ```
 */
export function isCommonError(error: unknown): boolean {
  if (!isReviewKdError(error)) return typeof error === "object" && error !== null && commonErrors.has(error);
  if (commonErrors.has(error)) return true;
  // One that says more of it, such as where the run can be resumed.
  const { cause } = error;
  return isReviewKdError(cause) && cause.code === error.code && commonErrors.has(cause);
}

/** @internal @throws ReviewKdError `INVALID_ARGUMENT` unless a value is a group or undefined. */
export function assertProcessGroup(value: unknown): asserts value is ProcessGroup | undefined {
  if (value === undefined || (value instanceof ProcessGroup && NativeObject.isCreated(value))) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid distributed: expected the result of joinProcessGroup, received ${receivedText(value, "ProcessGroup")}.`);
}

/**
 * Meets the other processes that a launcher has started: `torchrun`, `srun`, `mpirun`, one of Kubernetes' training
 * operators or `reviewkd launch`. Without a launcher, the group has this process alone, so that a program trains in one
 * process as well as in many.
 *
 * @throws ReviewKdError `PROCESS_ENVIRONMENT` (variables), `PORT_IN_USE`, `MASTER_UNREACHABLE`, `PROCESSES_MISSING`,
 * `PROCESSES_DIFFER` (number of processes, version, or the same rank twice), `PROCESS_LOST`, `ABORTED`.
 * @example
 * ```ts
 * const distributed = await joinProcessGroup();
 * const run = fit({ model, data, batchSize: 128, runDirectory: "runs/first", resume: "auto", distributed });
 * for await (const event of run)
 *   if (event.type === "epoch" && distributed.rank === 0) console.log(event.epoch, event.test.top1);
 * await distributed.leave(); // or, where the syntax is known: await using distributed = await joinProcessGroup();
 * ```
 */
export async function joinProcessGroup(options: JoinOptions = {}): Promise<ProcessGroup> {
  return atCall(join(options));
}

/** Groups that this process has joined: as many in each process, since all of them join together. */
let groupsJoined = 0;

async function join(options: JoinOptions): Promise<ProcessGroup> {
  assertObject(options, "options of joinProcessGroup");
  const { environment = processEnvironment(), signal, ...rest } = options;
  const { timeoutSeconds } = parse(JoinSettings, rest, "options of joinProcessGroup");
  const { libtorch } = await addon().systemInfo();
  const self = { host: hostname(), processId: process.pid, version: `reviewkd ${VERSION}, libtorch ${libtorch.version}`,
    timeoutSeconds };
  const { rank, size, localRank, localSize } = environment ?? { rank: 0, size: 1, localRank: 0, localSize: 1 };
  const meeting = environment === undefined ? {} :
    { master: environment.master, storeIsHosted: environment.storeIsHosted, prefix: environment.prefix,
      address: await addressOf(environment), groupsBefore: groupsJoined, id: randomUUID() };
  const native = await withSignal({ signal, what: "joining the other processes" },
    (stop) => addon().joinProcessGroup({ ...self, rank, size, localSize, ...meeting }, stop));
  if (environment !== undefined) ++groupsJoined;
  return new ProcessGroup(native, rank, size, localRank, environment?.launcher ?? null);
}
