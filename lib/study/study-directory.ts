import { join } from "node:path";
import { z } from "zod";
import { assertSameConfig } from "../runs/config-changes.js";
import { parseRecorded, readText, removeTemporaries, tryParseJson, withDirectoryErrors,
  writeAtomic } from "../runs/directory-files.js";
import { DirectoryLock } from "../runs/directory-lock.js";
import { StudyResult, type StudyConfig, type StudyKind } from "../config/schemas/study.js";
import { makeDirectory } from "../make-directory.js";
import { resultsCsv } from "./results/results-csv.js";

export const STUDY_FILES = {
  config: "study.json",
  csv: "results.csv",
  /** Everything, with means and deviations, versions and hardware. */
  json: "results.json",
} as const;

/** The part of the results that the checkpoints of its runs do not have. */
const KeptResult = z.object(StudyResult.pick({ system: true, teacherMetric: true }).shape);
export type KeptResult = z.infer<typeof KeptResult>;

/** The files of a study apart from its runs. Created by {@link openStudyDirectory}. */
export class StudyDirectory implements Disposable {
  constructor(readonly path: string, private readonly lock: DirectoryLock) {}

  file(name: keyof typeof STUDY_FILES): string {
    return join(this.path, STUDY_FILES[name]);
  }

  picture(kind: StudyKind): string {
    return join(this.path, `${kind}.svg`);
  }

  /** Those results of an earlier process that a study keeps, or `undefined` if missing or invalid. */
  async readResult(): Promise<KeptResult | undefined> {
    const text = await readText(this.file("json"));
    return text === undefined ? undefined : KeptResult.safeParse(tryParseJson(text)).data;
  }

  async writeResult(result: StudyResult): Promise<void> {
    await writeAtomic(this.path, this.file("csv"), resultsCsv(result));
    await writeAtomic(this.path, this.file("json"), `${JSON.stringify(result, null, 2)}\n`);
  }

  async writePicture(kind: StudyKind, svg: string): Promise<void> {
    await writeAtomic(this.path, this.picture(kind), svg);
  }

  [Symbol.dispose](): void {
    this.lock.release();
  }
}

/** Creates the directory of a study, or opens it. @throws `RUN_DIRECTORY`, `RUN_MISMATCH`, `RUN_LOCKED` */
export async function openStudyDirectory(path: string, config: StudyConfig,
  options: { readonly forceUnlock?: boolean | undefined } = {}): Promise<StudyDirectory> {
  await withDirectoryErrors(path, () => makeDirectory(path));
  const directory = new StudyDirectory(path, await DirectoryLock.take(path, options));
  try {
    await removeTemporaries(path, (name) => Object.values<string>(STUDY_FILES).includes(name) || name.endsWith(".svg"));
    await startOrResume(directory, config);
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
  return directory;
}

async function startOrResume(directory: StudyDirectory, config: StudyConfig): Promise<void> {
  const { path } = directory;
  const text = await readText(directory.file("config"));
  if (text === undefined) {
    await writeAtomic(path, directory.file("config"), `${JSON.stringify(config, null, 2)}\n`);
    return;
  }
  assertSameConfig(parseRecorded(directory.file("config"), text, "study"), config, {
    what: `the study at ${path}`,
    remedy: "Use the recorded settings, or start a new study in another directory (on the command line --study DIR).",
  });
}
