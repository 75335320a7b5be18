import { z } from "zod";
import { FilePath } from "../config/file-path.js";
import { parse } from "../config/validation.js";
import type { StudyConfigInput, StudyPlan } from "../config/schemas/study.js";
import type { Settings } from "../config/settings.js";
import { Study } from "./study.js";

const Options = z.strictObject({ directory: FilePath });

/**
 * Records a study in a directory and lists its cells, without training any. {@link runStudyCell} then trains them, in
 * any order, in any number of processes and on all machines that share the directory. Planning the same study again
 * shows how far it is; settings that change no result, such as `threads`, are then those of cells that begin later.
 *
 * @param options - `directory`: one run directory per cell, and the results.
 * @returns the cells, of which those that learn from a teacher that the study trains wait for cell 0.
 * @throws `CONFIG_INVALID`, `UNKNOWN_NAME`; `RUN_MISMATCH`: the directory holds another study; `RUN_DIRECTORY`; and
 * errors from the teacher's weights, and from loading the data if the training ends after a number of steps.
 *
 * @example
 * ```ts
 * const study = { kind: "seeds", teacher: { name: "resnet56" }, student: { name: "resnet20" } } as const;
 * const { cells } = await planStudy(study, { directory: "runs/seeds" });
 * console.log(`sbatch --array=0-${cells.length - 1}`);
 * ```
 */
export async function planStudy(input: StudyConfigInput | Settings,
  options: { readonly directory: string }): Promise<StudyPlan> {
  using study = await Study.plan(input, parse(Options, options, "study options").directory, { updates: true });
  const cells = [];
  for (const cell of study.cells) cells.push(study.planned(cell, await study.inspect(cell)));
  return { kind: study.config.kind, directory: study.directory.path, config: study.config, cells };
}
