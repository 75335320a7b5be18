import { appendFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { refuseChanges } from "./config-changes.js";
import { exists, guarded, jsonOrNothing, readText, writeWhole } from "./directory-files.js";
import { ReviewKdError } from "./errors.js";
import { EpochRecord } from "./schemas/run-record.js";

/** Names of the files in a run directory. */
export const RUN_FILES = {
  /** The complete configuration; `--config` reads it. */
  config: "config.json",
  /** One line per finished epoch. */
  metrics: "metrics.jsonl",
  /** Everything that is needed to go on. */
  last: "last.safetensors",
  /** The same, of the epoch with the best test accuracy. */
  best: "best.safetensors",
  /** The trained network alone, as it stands in `last`. */
  student: "student.safetensors",
} as const;

/** Path of one of the files in a run directory. */
export function runFile(directory: string, name: keyof typeof RUN_FILES): string {
  return join(directory, RUN_FILES[name]);
}

/** The files of one training. Made by {@link createRunDirectory} and {@link resumeRunDirectory}. */
export class RunDirectory {
  constructor(readonly path: string) {}

  /** Path of one of its files. */
  file(name: keyof typeof RUN_FILES): string {
    return runFile(this.path, name);
  }

  /** Writes `config.json`: anything that JSON can hold. */
  async writeConfig(config: unknown): Promise<void> {
    await writeWhole(this.path, this.file("config"), `${JSON.stringify(config, null, 2)}\n`);
  }

  /** Adds a line to `metrics.jsonl`. */
  async appendEpoch(record: EpochRecord): Promise<void> {
    await guarded(this.path, () => appendFile(this.file("metrics"), `${JSON.stringify(record)}\n`));
  }

  /**
   * The finished epochs, in order. A line that an interruption cut in half, and all that follows it, is left out.
   */
  async readEpochs(): Promise<EpochRecord[]> {
    const text = await readText(this.file("metrics"));
    const records: EpochRecord[] = [];
    for (const line of (text ?? "").split("\n")) {
      const record = EpochRecord.safeParse(jsonOrNothing(line));
      if (!record.success) break;
      records.push(record.data);
    }
    return records;
  }

  /** Removes the lines of epochs that will be trained again, and half lines. */
  async keepEpochs(count: number): Promise<void> {
    const kept = (await this.readEpochs()).filter((record) => record.epoch < count);
    await writeWhole(this.path, this.file("metrics"), kept.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }
}

/**
 * Makes a directory for a new run.
 *
 * @throws `RUN_DIRECTORY`: it holds a run already, or cannot be made.
 */
export async function createRunDirectory(path: string): Promise<RunDirectory> {
  const run = new RunDirectory(path);
  await guarded(path, () => mkdir(path, { recursive: true }));
  const refuse = (found: string, remedy: string): never => {
    throw new ReviewKdError("RUN_DIRECTORY", `expected a new or empty directory for a new run, got ${path}, which holds ${found}. ${remedy}`);
  };
  if (await exists(run.file("last"))) {
    refuse("a run already", "Resume it (`resume: true`, on the command line --resume), or choose another directory.");
  }
  for (const name of ["config", "metrics"] as const) {
    if (await exists(run.file(name))) refuse(`a run that has saved no checkpoint (${RUN_FILES[name]})`, "Remove it, or choose another directory.");
  }
  return run;
}

/**
 * Opens the directory of a run that is to go on.
 *
 * @throws `RUN_DIRECTORY`: there is no checkpoint to go on from; `RUN_MISMATCH`: it was begun with another configuration.
 */
export async function resumeRunDirectory(path: string, config: unknown): Promise<RunDirectory> {
  const run = new RunDirectory(path);
  const text = await readText(run.file("config"));
  if (text === undefined) {
    throw new ReviewKdError("RUN_DIRECTORY", `expected a run to resume at ${path}, got no ${RUN_FILES.config} there. Start it without resume.`);
  }
  if (!(await exists(run.file("last")))) {
    throw new ReviewKdError(
      "RUN_DIRECTORY",
      `expected a checkpoint to resume from at ${path}, got no ${RUN_FILES.last}: the run ended before it saved one. ` +
        "Remove the directory, or choose another one, and start without resume.",
    );
  }
  refuseOtherRun(run, text, config);
  return run;
}

function refuseOtherRun(run: RunDirectory, text: string, config: unknown): void {
  const recorded = jsonOrNothing(text);
  if (recorded === undefined) {
    throw new ReviewKdError("RUN_DIRECTORY", `expected JSON in ${run.file("config")}, got text that is none. Restore the file to resume the run.`);
  }
  refuseChanges(recorded, config, {
    what: `the run at ${run.path}`,
    remedy: "Resume with the recorded settings, or start a new run in another directory.",
  });
}

/** How far the run of a directory is, by what lies there. `"broken"`: begun, but ended before it saved a checkpoint. */
export type RunStage = "none" | "broken" | "saved";

/**
 * Looks whether a directory holds the run of this configuration, and whether there is a checkpoint to go on from.
 *
 * @throws `RUN_DIRECTORY`, `RUN_MISMATCH`: it holds the run of another configuration.
 */
export async function inspectRunDirectory(path: string, config: unknown): Promise<RunStage> {
  const run = new RunDirectory(path);
  const text = await readText(run.file("config"));
  if (text === undefined) return "none";
  refuseOtherRun(run, text, config);
  return await exists(run.file("last")) ? "saved" : "broken";
}

/** Clears away what a run left that has saved no checkpoint, so that it can begin anew. */
export async function discardBrokenRun(path: string): Promise<void> {
  await guarded(path, async () => {
    for (const name of ["config", "metrics"] as const) await rm(runFile(path, name), { force: true });
  });
}
