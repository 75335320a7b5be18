import { randomUUID } from "node:crypto";
import { appendFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, ReviewKdError } from "./errors.js";
import { isSettings } from "./merge-settings.js";
import { EpochRecord } from "./schemas/run-record.js";
import { valueText } from "./validation.js";

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

/** Keys of a configuration in which a resumed run may differ: they name the machine, not the training. */
const MACHINE_KEYS: ReadonlySet<string> = new Set(["threads", "device", "training.threads", "training.device"]);

/** The files of one training. Made by {@link createRunDirectory} and {@link resumeRunDirectory}. */
export class RunDirectory {
  constructor(readonly path: string) {}

  /** Path of one of its files. */
  file(name: keyof typeof RUN_FILES): string {
    return join(this.path, RUN_FILES[name]);
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
  const recorded = jsonOrNothing(text);
  if (recorded === undefined) {
    throw new ReviewKdError("RUN_DIRECTORY", `expected JSON in ${run.file("config")}, got text that is none. Restore the file to resume the run.`);
  }
  refuseChanges(path, recorded, config);
  return run;
}

function refuseChanges(path: string, recorded: unknown, config: unknown): void {
  const before = flatten(recorded);
  // Through JSON and back, or a key with the value `undefined` would count as a change.
  const now = flatten(JSON.parse(JSON.stringify(config)));
  const changes = [...new Set([...before.keys(), ...now.keys()])]
    .filter((key) => !MACHINE_KEYS.has(key) && JSON.stringify(before.get(key)) !== JSON.stringify(now.get(key)))
    .map((key) => `  - ${key}: was ${plain(before.get(key))}, now ${plain(now.get(key))}`);
  if (changes.length === 0) return;
  throw new ReviewKdError(
    "RUN_MISMATCH",
    `expected the configuration with which the run at ${path} was begun, got ${changes.length} difference${changes.length === 1 ? "" : "s"}\n` +
      `${changes.join("\n")}\nResume with the recorded settings, or start a new run in another directory.`,
  );
}

/** Leaves of nested objects under dotted keys. Arrays count as leaves, but for those of objects. */
function flatten(value: unknown, prefix = ""): Map<string, unknown> {
  if (Array.isArray(value) && value.some(isSettings)) {
    return new Map(value.flatMap((inner: unknown, index) => [...flatten(inner, `${prefix}[${index}]`)]));
  }
  if (!isSettings(value)) return new Map([[prefix, value]]);
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...flatten(inner, prefix === "" ? key : `${prefix}.${key}`)]));
}

function plain(value: unknown): string {
  return Array.isArray(value) ? JSON.stringify(value) : valueText(value);
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

/** The file's text, or `undefined` where there is no file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new ReviewKdError("RUN_DIRECTORY", `expected to read ${path}, got ${messageOf(error)}`, { cause: error });
  }
}

/** Writes a file so that it appears whole or not at all. */
async function writeWhole(directory: string, path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await guarded(directory, async () => {
    try {
      await writeFile(temporary, text, { flush: true });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}

async function guarded<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ReviewKdError(
      "RUN_DIRECTORY",
      `expected a directory that can be written for a run, got ${directory}: ${messageOf(error)}. Choose another one, or make room or change its permissions.`,
      { cause: error },
    );
  }
}
