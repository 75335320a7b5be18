import { join } from "node:path";
import { z } from "zod";
import { DETECTOR_METADATA } from "../api/detection/detector-file.js";
import { CLASS_NAMES_KEY, PREPROCESSING_KEYS } from "../api/metadata.js";
import { readWeightsInfo } from "../api/model.js";
import { namedValue, primaryNameOf } from "../api/task.js";
import { withHome } from "../config/file-path.js";
import { ExportOptions, type ExportOptionsInput } from "../config/schemas/weights.js";
import { parse } from "../config/validation.js";
import { convertWeights, inspectWeights } from "../weights/weights.js";
import { exists } from "./directory-files.js";
import { runFile } from "./run-directory.js";
import { readRunPosition } from "./run-state.js";
import { atCall, ReviewKdError } from "../errors.js";

/**
 * Writes only the trained network of a run directory, without teacher, review modules and optimizer.
 *
 * @param path - default: `student-last.safetensors` or `student-best.safetensors` in the directory.
 * @returns the path of the written file.
 * @throws ReviewKdError `FILE_NOT_FOUND` if the directory has no such checkpoint, and what {@link convertWeights}
 * throws.
 * @example
 * ```ts
 * await exportStudent("runs/r56-r20", "resnet20.pt", { checkpoint: "best" });
 * ```
 */
export async function exportStudent(runDirectory: string, path?: string,
  options: ExportOptionsInput = {}): Promise<string> {
  return atCall(exportBest(runDirectory, path, options));
}

async function exportBest(runDirectory: string, path: string | undefined,
  options: ExportOptionsInput): Promise<string> {
  parse(z.string().min(1), runDirectory, "run directory");
  const { checkpoint, ...rest } = parse(ExportOptions, options, "export options");
  const directory = withHome(runDirectory, "run directory");
  const from = await findCheckpoint(directory, checkpoint);
  const to = path === undefined ? join(directory, `student-${checkpoint}.safetensors`) : withHome(path);
  await convertWeights(from, to, { ...rest, metadata: await metadataOf(directory, from) });
  return to;
}

/**
 * The file of a run's checkpoint.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`
 */
export async function findCheckpoint(directory: string, checkpoint: "last" | "best"): Promise<string> {
  const path = runFile(directory, checkpoint);
  if (await exists(path)) return path;
  throw new ReviewKdError("FILE_NOT_FOUND",
    `no checkpoint "${checkpoint}" at ${path}: expected the directory of a run. Pass the one that \`reviewkd train\` or \`distill\` printed; weights alone are converted by \`reviewkd convert\`.`);
}

/** Metadata of the trained network that is also that of any checkpoint. */
const KEPT: readonly string[] = ["model", "numClasses", "dataset", CLASS_NAMES_KEY, ...PREPROCESSING_KEYS,
  ...Object.values(DETECTOR_METADATA)];

/** Metadata of the network, and its accuracy at this checkpoint. */
async function metadataOf(runDirectory: string, checkpoint: string): Promise<Record<string, string>> {
  const { fit, metadata } = await inspectWeights(checkpoint);
  const student = runFile(runDirectory, "student");
  const recorded = await exists(student) ? (await readWeightsInfo(student)).metadata : {};
  const kept = Object.entries({ ...metadata, ...recorded }).filter(([key]) => KEPT.includes(key));
  const { progress: { last, best, epochsDone }, stepsDone } = await readRunPosition(checkpoint);
  const primary = best === null ? undefined : primaryNameOf(best);
  return {
    ...(fit === null ? {} : { model: fit.name, numClasses: String(fit.numClasses) }),
    ...Object.fromEntries(kept),
    ...(last === null || primary === undefined || stepsDone > 0 ? {}
      : { [primary]: String(namedValue(last, primary)) }),
    ...(epochsDone === 0 ? {} : { epoch: String(epochsDone - 1) }),
  };
}
