import { join } from "node:path";
import { configChanges, assertSameConfig } from "./config-changes.js";
import { appendFlushed, exists, parseRecorded, readText, removeTemporaries, tryParseJson, withDirectoryErrors,
  writeAtomic } from "./directory-files.js";
import { DirectoryLock } from "./directory-lock.js";
import { FilePath } from "../config/file-path.js";
import { parse } from "../config/validation.js";
import { atCall, ReviewKdError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { JsonlFile } from "./jsonl-file.js";
import { parseResults } from "./results-json.js";
import { CHECKPOINTS, hasCheckpoint, isCheckpointName, numberedName } from "./run-checkpoints.js";
import type { Change } from "../config/schemas/fit-event.js";
import { ConfigChange, EpochRecord } from "../config/schemas/run-record.js";

export const RUN_FILES = {
  /** The complete configuration; `--config` reads it. */
  config: "config.json",
  /** One line per change of settings. */
  history: "config-history.jsonl",
  /** The teacher's results on the test images. */
  teacher: "teacher.json",
  /** One line per finished epoch. */
  metrics: "metrics.jsonl",
  ...CHECKPOINTS,
  /** Only the trained network, as in `last`. */
  student: "student.safetensors",
} as const;

/** The complete configuration of a study, in its directory; its cells are runs below it. */
export const STUDY_FILE = "study.json";

export function runFile(directory: string, name: keyof typeof RUN_FILES): string {
  return join(directory, RUN_FILES[name]);
}

/** The files of one training, locked for this process. */
export class RunDirectory {
  /** The content of `config.json`, for {@link RunDirectory.restore}. */
  config: string | undefined;
  /** The content of `teacher.json`, likewise. */
  teacher: string | undefined;
  readonly #metrics: JsonlFile;

  constructor(readonly path: string, private lock: DirectoryLock) {
    this.#metrics = new JsonlFile(path, runFile(path, "metrics"));
  }

  file(name: keyof typeof RUN_FILES): string {
    return runFile(this.path, name);
  }

  numbered(epochsDone: number): string {
    return join(this.path, numberedName(epochsDone));
  }

  async writeConfig(config: unknown): Promise<void> {
    this.config = `${JSON.stringify(config, null, 2)}\n`;
    await writeAtomic(this.path, this.file("config"), this.config);
  }

  /** Writes the teacher's results, if there are any. */
  async writeTeacher(): Promise<void> {
    if (this.teacher !== undefined) await writeAtomic(this.path, this.file("teacher"), this.teacher);
  }

  async changeConfig(config: unknown, changed: Omit<ConfigChange, "former" | "time">): Promise<void> {
    const former = tryParseJson(await readText(this.file("config")) ?? "");
    const line: ConfigChange = { time: new Date().toISOString(), ...changed, former };
    await appendFlushed(this.path, this.file("history"), `${JSON.stringify(line)}\n`);
    await this.writeConfig(config);
  }

  async formerConfigs(): Promise<unknown[]> {
    const lines = (await readText(this.file("history")) ?? "").split("\n");
    return lines.flatMap((line) => {
      const change = ConfigChange.safeParse(tryParseJson(line));
      return change.success ? [change.data.former] : [];
    });
  }

  /** Queues a line of `metrics.jsonl` for {@link RunDirectory.writeEpochs}. */
  addEpoch(record: EpochRecord): void {
    this.#metrics.add(JSON.stringify(record));
  }

  /** Writes the queued lines of `metrics.jsonl`; rewrites the whole file if it was changed by another process. */
  writeEpochs(): Promise<void> {
    return this.#metrics.write();
  }

  /** The finished epochs, in order. Omits a truncated line and everything after it. */
  async readEpochs(): Promise<EpochRecord[]> {
    const text = await readText(this.file("metrics"));
    const records: EpochRecord[] = [];
    for (const line of (text ?? "").split("\n")) {
      const record = EpochRecord.safeParse(parseResults(line));
      if (!record.success) break;
      records.push(record.data);
    }
    return records;
  }

  /** Removes truncated lines and those of epochs that will be trained again. */
  async keepEpochs(count: number): Promise<void> {
    const kept = (await this.readEpochs()).filter((record) => record.epoch < count);
    await this.#metrics.replace(kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }

  /** Whether this process still has the directory: it may have vanished, or another process has taken it over. */
  isHeld(): boolean {
    return this.lock.intact();
  }

  /** Recreates the directory and its known files if it has vanished. @throws `RUN_DIRECTORY`, `RUN_LOCKED` */
  async restore(): Promise<void> {
    if (this.isHeld()) return;
    await withDirectoryErrors(this.path, () => makeDirectory(this.path));
    this.lock = await this.lock.again();
    if (this.config !== undefined) await writeAtomic(this.path, this.file("config"), this.config);
    await this.writeTeacher();
    await this.#metrics.write();
  }

  /** Continues the run of another directory: takes over its configuration and metrics. */
  async inherit(from: RunDirectory): Promise<void> {
    [this.config, this.teacher] = [from.config, from.teacher];
    if (this.config !== undefined) await writeAtomic(this.path, this.file("config"), this.config);
    await this.#metrics.replace(await from.#metrics.text());
  }

  close(): void {
    this.#metrics.close();
    this.lock.release();
  }
}

export interface LockOptions {
  /** Take over the directory from a run on another machine. */
  readonly forceUnlock?: boolean | undefined;
}

/**
 * Creates a directory for a new run.
 *
 * @throws `RUN_DIRECTORY`: it holds a run or a study, or cannot be created; `RUN_LOCKED`
 */
export async function createRunDirectory(path: string, options: LockOptions = {}): Promise<RunDirectory> {
  await assertNoStudy(path);
  await withDirectoryErrors(path, () => makeDirectory(path));
  return locked(path, options, async (run) => {
    await assertNoResults(path);
    if (await exists(run.file("config"))) refuseNewRun(path, `a run without a checkpoint (${RUN_FILES.config})`);
    return run;
  });
}

/** Whether a directory holds a run, or what is left of one. */
export async function holdsRunFiles(path: string): Promise<boolean> {
  return await exists(runFile(path, "config")) || await exists(runFile(path, "metrics")) || await hasCheckpoint(path);
}

/** @throws `RUN_DIRECTORY` if a directory without a run holds a study. */
async function assertNoStudy(path: string): Promise<void> {
  if (!(await exists(join(path, STUDY_FILE))) || await exists(runFile(path, "config"))) return;
  throw new ReviewKdError("RUN_DIRECTORY",
    `cannot start a run in ${path}: the directory holds a study (${STUDY_FILE}). Choose another directory, also one below it.`);
}

/** @throws `RUN_DIRECTORY` if a directory holds checkpoints or metrics. */
async function assertNoResults(path: string): Promise<void> {
  if (await hasCheckpoint(path)) refuseNewRun(path, "a run");
  if (await exists(runFile(path, "metrics"))) refuseNewRun(path, `results of a run (${RUN_FILES.metrics})`);
}

function refuseNewRun(path: string, found: string): never {
  throw new ReviewKdError("RUN_DIRECTORY", `cannot start a new run in ${path}: the directory holds ${found}. ` +
    "Resume it (`resume: true`, on the command line --resume), or choose another directory.");
}

export interface ResumeOptions extends LockOptions {
  readonly override?: boolean | undefined;
}

/** A run that is resumed. */
export interface FoundRun {
  /** Its settings that have changed. */
  readonly changes: readonly Change[];
}

/** Opens the directory of a run to resume. @throws `RUN_DIRECTORY`, `RUN_MISMATCH`, `RUN_LOCKED` */
export async function resumeRunDirectory(path: string, config: unknown,
  { override = false, ...options }: ResumeOptions = {}
): Promise<{ readonly run: RunDirectory; readonly found: FoundRun }> {
  if (!(await exists(runFile(path, "config")))) {
    throw new ReviewKdError("RUN_DIRECTORY",
      `no run to resume at ${path}: ${RUN_FILES.config} is missing. Pass the directory of an existing run, or start a new one without resume.`);
  }
  return locked(path, options, async (run) => ({ run, found: await findRun(run, config, override) }));
}

async function findRun(run: RunDirectory, config: unknown, override: boolean): Promise<FoundRun> {
  const text = await readText(run.file("config")) ?? "";
  const recorded = parseRecorded(run.file("config"), text, "run");
  if (!override) assertSameRun(run.path, recorded, config);
  run.config = text;
  return { changes: configChanges(recorded, config) };
}

/**
 * Opens the directory of a run to resume if it holds one, and otherwise creates one. A configuration of which a process
 * that was killed wrote a part counts as none, unless there are results.
 *
 * @throws `RUN_DIRECTORY`, `RUN_MISMATCH`, `RUN_LOCKED`
 */
export async function openRunDirectory(path: string, config: unknown,
  { override = false, ...options }: ResumeOptions = {}
): Promise<{ readonly run: RunDirectory; readonly found: FoundRun | undefined }> {
  await assertNoStudy(path);
  await withDirectoryErrors(path, () => makeDirectory(path));
  return locked(path, options, async (run) => {
    // With checkpoints, a damaged configuration is an error.
    if (await isRunDirectory(path) || (await exists(run.file("config")) && await hasCheckpoint(path)))
      return { run, found: await findRun(run, config, override) };
    await assertNoResults(path);
    return { run, found: undefined };
  });
}

/**
 * Whether a directory holds a run: a whole `config.json`. With `resume: "auto"` such a run is resumed, also one without
 * a checkpoint, which starts from the beginning.
 *
 * @throws ReviewKdError `RUN_DIRECTORY`: it cannot be read; `INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * console.log((await isRunDirectory("runs/r56-r20")) ? "resuming" : "starting");
 * ```
 */
export async function isRunDirectory(path: string): Promise<boolean> {
  return atCall(holdsConfig(parse(FilePath, path, "path")));
}

async function holdsConfig(directory: string): Promise<boolean> {
  return tryParseJson(await readText(runFile(directory, "config")) ?? "") !== undefined;
}

/** Locks the directory for `work`, and releases the lock if `work` fails. */
async function locked<Result>(path: string, options: LockOptions,
  work: (run: RunDirectory) => Promise<Result>): Promise<Result> {
  const run = new RunDirectory(path, await DirectoryLock.take(path, options));
  try {
    await removeTemporaries(path, (name) => isCheckpointName(name) || Object.values<string>(RUN_FILES).includes(name));
    return await work(run);
  } catch (error) {
    run.close();
    throw error;
  }
}

function assertSameRun(path: string, recorded: unknown, config: unknown): void {
  assertSameConfig(recorded, config, { what: `the run at ${path}`, remedy: OTHER_CONFIG_REMEDY });
}

export const OTHER_CONFIG_REMEDY =
  "Resume with the recorded settings, allow the change (`override: true`, on the command line --override), or start a new run in another directory.";

/** Whether a directory holds the run of this configuration. @throws `RUN_DIRECTORY`, `RUN_MISMATCH` */
export async function holdsRun(path: string, config: unknown): Promise<boolean> {
  const text = await readText(runFile(path, "config"));
  if (text === undefined) return false;
  assertSameRun(path, parseRecorded(runFile(path, "config"), text, "run"), config);
  return true;
}
