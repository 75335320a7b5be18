import { filePath } from "../config/file-path.js";
import { isDetectorName } from "../config/detector-defaults.js";
import { LoadStudentOptions, type LoadStudentOptionsInput } from "../config/schemas/weights.js";
import { readRunConfig } from "../config/config-file.js";
import type { StoredDataSource } from "../config/schemas/data.js";
import { parse } from "../config/validation.js";
import { createDetector } from "../api/detection/create-detector.js";
import type { Detector } from "../api/detection/detector.js";
import { createModel, type Model } from "../api/model.js";
import { inspectWeights } from "../weights/weights.js";
import { atCall, ReviewKdError } from "../errors.js";
import { findCheckpoint } from "./export-student.js";
import { runFile } from "./run-directory.js";
import { locateFiles } from "./working-directory.js";

/**
 * Creates the trained network of a run directory, for predictions or for another format.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND` if the directory has no such checkpoint, and what `createModel` and
 * `createDetector` throw.
 * @example
 * ```ts
 * using student = await loadStudent("runs/r56-r20", { checkpoint: "best" });
 * await student.exportOnnx("resnet20.onnx");
 * ```
 */
export async function loadStudent(runDirectory: string,
  options: LoadStudentOptionsInput = {}): Promise<Model | Detector> {
  return atCall(load(runDirectory, options));
}

function directoryOf(runDirectory: string): string {
  return parse(filePath("the directory of a run"), runDirectory, "run directory");
}

async function load(runDirectory: string, options: LoadStudentOptionsInput): Promise<Model | Detector> {
  const { checkpoint, device } = parse(LoadStudentOptions, options, "options");
  const weights = await findCheckpoint(directoryOf(runDirectory), checkpoint);
  const { fit } = await inspectWeights(weights);
  if (fit === null)
    throw new ReviewKdError("FILE_CORRUPT", `invalid checkpoint ${weights}: expected a network of this package.`);
  return isDetectorName(fit.name) ? createDetector(fit.name, { weights, device })
    : createModel(fit.name, { numClasses: fit.numClasses, weights, device });
}

/**
 * The data source of a run directory, with the paths by which its files are found from here.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `CONFIG_INVALID`.
 * @example
 * ```ts
 * using data = await loadDataset(await readRunData("runs/r56-r20"));
 * ```
 */
export async function readRunData(runDirectory: string): Promise<StoredDataSource> {
  return atCall(readData(runDirectory));
}

async function readData(runDirectory: string): Promise<StoredDataSource> {
  const { data, workingDirectory } = await readRunConfig(runFile(directoryOf(runDirectory), "config"));
  return (await locateFiles({ data, workingDirectory })).data;
}
