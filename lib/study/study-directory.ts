import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { differences, flattened } from "../config/differences.js";
import { assertSameConfig } from "../runs/config-changes.js";
import { createAtomic, exists, parseRecorded, readText, removeTemporaries, tryParseJson, withDirectoryErrors,
  writeAtomic } from "../runs/directory-files.js";
import { holdsRunFiles, STUDY_FILE } from "../runs/run-directory.js";
import { ReviewKdError } from "../errors.js";
import { StudySystem, type StudyConfig, type StudyKind, type StudyResult } from "../config/schemas/study.js";
import { makeDirectory } from "../make-directory.js";
import { resultsCsv } from "./results/results-csv.js";

export const STUDY_FILES = {
  config: STUDY_FILE,
  /** The metric of a teacher from a file, measured once. */
  teacher: "teacher.json",
  /** The system of the process that began to train last. */
  system: "system.json",
  csv: "results.csv",
  /** Everything, with means and deviations, versions and hardware. */
  json: "results.json",
} as const;

/** The primary metric of a teacher from a file; `null` if it cannot be judged on the study's data. */
const TeacherMetric = z.object({ name: z.string(), metric: z.number().nullable() });
export type TeacherMetric = z.infer<typeof TeacherMetric>;

/** How often `study.json` is read that is not whole yet. */
const MOST_READS = 20;
const BETWEEN_READS_MS = 50;

/** Younger temporary files may be another process's; a write takes a moment. */
const ABANDONED_MS = 3_600_000;

/**
 * The files of a study apart from its runs. Several processes, also of several machines, may read and write them: each
 * file is replaced as a whole, `study.json` only by settings that change no result, such as a number of threads.
 */
export class StudyDirectory {
  constructor(readonly path: string) {}

  file(name: keyof typeof STUDY_FILES): string {
    return join(this.path, STUDY_FILES[name]);
  }

  picture(kind: StudyKind): string {
    return join(this.path, `${kind}.svg`);
  }

  /** The recorded configuration, or `undefined` if there is no study yet. @throws `RUN_DIRECTORY`: it is not JSON. */
  async readConfig(): Promise<unknown> {
    const text = await readText(this.file("config"));
    return text === undefined ? undefined : parseRecorded(this.file("config"), text, "study");
  }

  /** @throws `RUN_DIRECTORY` if a directory without a study holds a run, whose files a study would replace. */
  async assertNoRun(): Promise<void> {
    if (await exists(this.file("config")) || !(await holdsRunFiles(this.path))) return;
    throw new ReviewKdError("RUN_DIRECTORY",
      `cannot begin a study in ${this.path}: the directory holds a run. Choose another directory (on the command line --study DIR); the runs of a study are in directories below it.`);
  }

  /**
   * Records the configuration of a new study, or, if `updates`, the settings of this one that change no result.
   *
   * @throws `RUN_DIRECTORY`: it holds a run, or cannot be written; `RUN_MISMATCH`: the directory has another study.
   */
  async record(config: StudyConfig, { updates = false } = {}): Promise<void> {
    await this.assertNoRun();
    await withDirectoryErrors(this.path, () => makeDirectory(this.path));
    await removeTemporaries(this.path,
      (name) => Object.values<string>(STUDY_FILES).includes(name) || name.endsWith(".svg"), ABANDONED_MS);
    if (await createAtomic(this.path, this.file("config"), `${JSON.stringify(config, null, 2)}\n`)) return;
    const recorded = await this.#readWhenWritten();
    assertSameConfig(recorded, config, {
      what: `the study at ${this.path}`,
      remedy: "Use the recorded settings, or start a new study in another directory (on the command line --study DIR).",
    });
    if (!updates) return;
    // Paths are those of the directory from which it was planned first, which the workers see.
    const { workingDirectory } = config.workingDirectory === undefined ? config : recorded as Partial<StudyConfig>;
    const updated = { ...config, workingDirectory: workingDirectory ?? config.workingDirectory };
    if (!isEqual(recorded, updated)) await this.#write("config", updated);
  }

  /** Another process may still write it, on a file system without links. */
  async #readWhenWritten(): Promise<unknown> {
    for (let tries = 1;; ++tries) {
      try {
        return await this.readConfig();
      } catch (error) {
        if (tries === MOST_READS) throw error;
        await sleep(BETWEEN_READS_MS);
      }
    }
  }

  /** The measured teacher, or `undefined` if missing or invalid. */
  async readTeacher(): Promise<TeacherMetric | undefined> {
    return TeacherMetric.safeParse(tryParseJson(await readText(this.file("teacher")) ?? "")).data;
  }

  async writeTeacher(teacher: TeacherMetric): Promise<void> {
    await this.#write("teacher", teacher);
  }

  async readSystem(): Promise<StudySystem | undefined> {
    return StudySystem.safeParse(tryParseJson(await readText(this.file("system")) ?? "")).data;
  }

  async writeSystem(system: StudySystem): Promise<void> {
    await this.#write("system", system);
  }

  async writeResult(result: StudyResult): Promise<void> {
    await writeAtomic(this.path, this.file("csv"), resultsCsv(result));
    await this.#write("json", result);
  }

  async writePicture(kind: StudyKind, svg: string): Promise<void> {
    await writeAtomic(this.path, this.picture(kind), svg);
  }

  async #write(name: keyof typeof STUDY_FILES, value: unknown): Promise<void> {
    await writeAtomic(this.path, this.file(name), `${JSON.stringify(value, null, 2)}\n`);
  }
}

/** Whether two configurations are the same as JSON, also in settings that change no result. */
export function isEqual(recorded: unknown, config: unknown): boolean {
  return differences(flattened(recorded), flattened(JSON.parse(JSON.stringify(config)))).length === 0;
}

/** The error for a directory without a study. */
export function noStudy(path: string): ReviewKdError {
  return new ReviewKdError("RUN_DIRECTORY",
    `no study at ${path}: ${STUDY_FILES.config} is missing. Plan it first (\`planStudy\`, on the command line \`reviewkd study plan\`), or pass the directory of another one, as this machine sees it.`);
}
