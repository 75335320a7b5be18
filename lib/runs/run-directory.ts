import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { configChanges, assertSameConfig } from "./config-changes.js";
import { appendFlushed, exists, withDirectoryErrors, tryParseJson, readText, removeTemporaries, writeAtomic } from "./directory-files.js";
import { DirectoryLock } from "./directory-lock.js";
import { ReviewKdError } from "../errors.js";
import { JsonlFile } from "./jsonl-file.js";
import { CHECKPOINTS, hasCheckpoint, isCheckpointName, numberedName } from "./run-checkpoints.js";
import type { Change } from "../config/schemas/events.js";
import { ConfigChange, EpochRecord } from "../config/schemas/run-record.js";

/** Names of the files in a run directory. */
export const RUN_FILES = {
  /** The complete configuration; `--config` reads it. */
  config: "config.json",
  /** One line for each time that settings were changed on the way. */
  history: "config-history.jsonl",
  /** One line per finished epoch. */
  metrics: "metrics.jsonl",
  ...CHECKPOINTS,
  /** The trained network alone, as it stands in `last`. */
  student: "student.safetensors",
} as const;

/** Path of one of the files in a run directory. */
export function runFile(directory: string, name: keyof typeof RUN_FILES): string {
  return join(directory, RUN_FILES[name]);
}

/** The files of one training, which nobody else writes to. Made by {@link createRunDirectory} and {@link resumeRunDirectory}. */
export class RunDirectory {
  #config: string | undefined;
  readonly #metrics: JsonlFile;

  constructor(readonly path: string, private lock: DirectoryLock) {
    this.#metrics = new JsonlFile(path, runFile(path, "metrics"));
  }

  /** Path of one of its files. */
  file(name: keyof typeof RUN_FILES): string {
    return runFile(this.path, name);
  }

  /** Path of the checkpoint that is kept after so many epochs. */
  numbered(epochsDone: number): string {
    return join(this.path, numberedName(epochsDone));
  }

  /** Writes `config.json`: anything that JSON can hold. */
  async writeConfig(config: unknown): Promise<void> {
    this.#config = `${JSON.stringify(config, null, 2)}\n`;
    await writeAtomic(this.path, this.file("config"), this.#config);
  }

  /** Puts another configuration into `config.json`, once the one before is on record. */
  async changeConfig(config: unknown, changed: Omit<ConfigChange, "former" | "time">): Promise<void> {
    const former = tryParseJson(await readText(this.file("config")) ?? "");
    const line: ConfigChange = { time: new Date().toISOString(), ...changed, former };
    await appendFlushed(this.path, this.file("history"), `${JSON.stringify(line)}\n`);
    await this.writeConfig(config);
  }

  /** The configurations before those changes. */
  async formerConfigs(): Promise<unknown[]> {
    const lines = (await readText(this.file("history")) ?? "").split("\n");
    return lines.flatMap((line) => {
      const change = ConfigChange.safeParse(tryParseJson(line));
      return change.success ? [change.data.former] : [];
    });
  }

  /** Takes up a line for `metrics.jsonl`, which {@link RunDirectory.writeEpochs} writes. */
  addEpoch(record: EpochRecord): void {
    this.#metrics.add(JSON.stringify(record));
  }

  /** Writes the lines that are not in `metrics.jsonl` yet; the whole file where it is not as this left it. */
  async writeEpochs(): Promise<void> {
    await this.#metrics.write();
  }

  /**
   * The finished epochs, in order. A line that an interruption cut in half, and all that follows it, is left out.
   */
  async readEpochs(): Promise<EpochRecord[]> {
    const text = await readText(this.file("metrics"));
    const records: EpochRecord[] = [];
    for (const line of (text ?? "").split("\n")) {
      const record = EpochRecord.safeParse(tryParseJson(line));
      if (!record.success) break;
      records.push(record.data);
    }
    return records;
  }

  /** Removes the lines of epochs that will be trained again, and half lines. */
  async keepEpochs(count: number): Promise<void> {
    const kept = (await this.readEpochs()).filter((record) => record.epoch < count);
    await this.#metrics.replace(kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }

  /**
   * Makes the directory anew where it has vanished, with what is known of its files.
   *
   * @throws `RUN_DIRECTORY`; `RUN_LOCKED` where somebody else was faster.
   */
  async restore(): Promise<void> {
    if (this.lock.intact()) return;
    await withDirectoryErrors(this.path, () => mkdir(this.path, { recursive: true }));
    this.lock = await this.lock.again();
    if (this.#config !== undefined) await writeAtomic(this.path, this.file("config"), this.#config);
    await this.#metrics.write();
  }

  /** Goes on with the run of another directory: its configuration, and the lines that are to be written. */
  async inherit(from: RunDirectory): Promise<void> {
    this.#config = from.#config;
    if (this.#config !== undefined) await writeAtomic(this.path, this.file("config"), this.#config);
    await this.#metrics.replace(await from.#metrics.text());
  }

  /** Takes up what `config.json` holds. */
  remember(config: string): void {
    this.#config = config;
  }

  /** Lets others write here. */
  close(): void {
    this.#metrics.close();
    this.lock.release();
  }
}

/** Who may write. */
export interface LockOptions {
  /** Take the directory over from a run on another machine. */
  readonly forceUnlock?: boolean | undefined;
}

/**
 * Makes a directory for a new run.
 *
 * @throws `RUN_DIRECTORY`: it holds a run already, or cannot be made; `RUN_LOCKED`: somebody else writes to it.
 */
export async function createRunDirectory(path: string, options: LockOptions = {}): Promise<RunDirectory> {
  await withDirectoryErrors(path, () => mkdir(path, { recursive: true }));
  return locked(path, options, async (run) => {
    const refuse = (found: string): never => {
      throw new ReviewKdError(
        "RUN_DIRECTORY",
        `expected a new or empty directory for a new run, got ${path}, which holds ${found}. ` +
          "Resume it (`resume: true`, on the command line --resume), or choose another directory.",
      );
    };
    if (await hasCheckpoint(path)) refuse("a run already");
    if (await exists(run.file("config"))) refuse(`a run that has saved no checkpoint (${RUN_FILES.config})`);
    if (await exists(run.file("metrics"))) refuse(`results of a run (${RUN_FILES.metrics})`);
    return run;
  });
}

/** A run that goes on, and what is another than it was. */
export interface ResumedRun {
  readonly run: RunDirectory;
  readonly changes: readonly Change[];
}

/**
 * Opens the directory of a run that is to go on; where it has saved nothing yet, from its beginning.
 *
 * @param options - `override`: with another configuration than it was begun with.
 * @throws `RUN_DIRECTORY`: there is no run; `RUN_MISMATCH`: it was begun with another configuration; `RUN_LOCKED`: somebody else writes to it.
 */
export async function resumeRunDirectory(
  path: string, config: unknown, { override = false, ...options }: LockOptions & { readonly override?: boolean | undefined } = {},
): Promise<ResumedRun> {
  if (!(await exists(runFile(path, "config")))) {
    throw new ReviewKdError("RUN_DIRECTORY", `expected a run to resume at ${path}, got no ${RUN_FILES.config} there. Start it without resume.`);
  }
  return locked(path, options, async (run) => {
    const text = await readText(run.file("config")) ?? "";
    if (!override) refuseOtherRun(path, text, config);
    run.remember(text);
    return { run, changes: configChanges(recordedConfig(path, text), config) };
  });
}

/** Gives the lock back where `work` fails. */
async function locked<Result>(path: string, options: LockOptions, work: (run: RunDirectory) => Promise<Result>): Promise<Result> {
  const run = new RunDirectory(path, await DirectoryLock.take(path, options));
  try {
    await removeTemporaries(path, (name) => isCheckpointName(name) || Object.values<string>(RUN_FILES).includes(name));
    return await work(run);
  } catch (error) {
    run.close();
    throw error;
  }
}

function recordedConfig(path: string, text: string): unknown {
  const recorded = tryParseJson(text);
  if (recorded !== undefined) return recorded;
  throw new ReviewKdError("RUN_DIRECTORY", `expected JSON in ${runFile(path, "config")}, got text that is none. Restore the file to resume the run.`);
}

function refuseOtherRun(path: string, text: string, config: unknown): void {
  assertSameConfig(recordedConfig(path, text), config, { what: `the run at ${path}`, remedy: OTHER_CONFIG_REMEDY });
}

export const OTHER_CONFIG_REMEDY =
  "Resume with the recorded settings, allow the change (`override: true`, on the command line --override), or start a new run in another directory.";

/**
 * Tells whether a directory holds the run of this configuration.
 *
 * @throws `RUN_DIRECTORY`, `RUN_MISMATCH`: it holds the run of another configuration.
 */
export async function holdsRun(path: string, config: unknown): Promise<boolean> {
  const text = await readText(runFile(path, "config"));
  if (text === undefined) return false;
  refuseOtherRun(path, text, config);
  return true;
}
