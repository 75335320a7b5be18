/** Files of weights apart from any network: looked into, converted, taken out of a run. */
import { join } from "node:path";
import { exists } from "./directory-files.js";
import { ReviewKdError } from "./errors.js";
import { readStanding } from "./fit-log.js";
import { METADATA } from "./fit-saver.js";
import { CLASS_NAMES_KEY, classNamesIn, readWeightsInfo } from "./model.js";
import { addon } from "./native.js";
import { runFile } from "./run-directory.js";
import {
  ConvertOptions, ExportOptions, WeightsChoice, type ConvertOptionsInput, type ExportOptionsInput, type WeightsInspection,
} from "./schemas/weights.js";
import { toEntries, toStateDict, type StateDict } from "./tensor.js";
import { namedValue, primaryNameOf } from "./task.js";
import { parse } from "./validation.js";

type Metadata = Record<string, string>;

/** Metadata of a training checkpoint begin with it, but for those of {@link METADATA}. */
const SESSION_PREFIX = "session.";

/**
 * {@link readWeightsInfo}, and which network of the registry the file is of: the one that most names and shapes speak for.
 *
 * @throws ReviewKdError as {@link readWeightsInfo} does.
 * @example
 * ```ts
 * const { format, parameters, fit } = await inspectWeights("resnet20.pth");
 * console.log(format, parameters, fit?.name, fit?.numClasses);
 * ```
 */
export async function inspectWeights(path: string, options: WeightsChoice = {}): Promise<WeightsInspection> {
  const info = await addon().inspectWeights(path, parse(WeightsChoice, options, "options"));
  return { ...info, classNames: classNamesIn(info.metadata) };
}

/**
 * Reads the state dict of a file of any format, and the text that the file carries. float16 becomes float32, smaller integers
 * int64, and truth values uint8: all exactly.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `UNKNOWN_NAME` (a key).
 * @example
 * ```ts
 * const { state, metadata } = await readStateDict("checkpoint.pth", { key: "model_ema" });
 * console.log(Object.keys(state), metadata["epoch"]);
 * ```
 */
export async function readStateDict(path: string, options: WeightsChoice = {}): Promise<{ state: StateDict; metadata: Metadata }> {
  const { entries, metadata } = await addon().readStateDict(path, parse(WeightsChoice, options, "options"));
  return { state: toStateDict(entries), metadata };
}

/**
 * Writes a state dict to a `.safetensors`, `.pt` or `.pth` file, which appears whole or not at all. In Python,
 * `torch.load(path, weights_only=True)` reads the latter two and has `metadata` as an attribute of that name.
 *
 * @throws ReviewKdError `FILE_UNSUPPORTED` (another ending), `FILE_ACCESS`, `INVALID_ARGUMENT`, `DISPOSED`.
 * @example
 * ```ts
 * await writeStateDict("head.pt", { "fc.bias": Tensor.from([0, 1], [2]) }, { note: "by hand" });
 * ```
 */
export async function writeStateDict(path: string, state: Readonly<StateDict>, metadata: Readonly<Metadata> = {}): Promise<void> {
  await addon().writeStateDict(path, toEntries(state), { ...metadata });
}

/**
 * Writes the state dict of one file to another, in the format that its ending names: `.safetensors`, `.pt` or `.pth`. Prefixes
 * are taken off the names, and what belongs to no network is left out; the text that the file carries is kept.
 *
 * @returns the number of tensors.
 * @throws ReviewKdError `INVALID_ARGUMENT` where the other file is there and `overwrite` is not set, and what {@link readStateDict} and
 * {@link writeStateDict} throw.
 * @example
 * ```ts
 * await convertWeights("checkpoint.pth", "resnet20.safetensors", { dtype: "float32" });
 * ```
 */
export async function convertWeights(from: string, to: string, options: ConvertOptionsInput = {}): Promise<number> {
  const { overwrite, metadata: added, ...rest } = parse(ConvertOptions, options, "convert options");
  await refuseToReplace(to, overwrite);
  const { metadata } = await readWeightsInfo(from, { ...(rest.key === undefined ? {} : { key: rest.key }) });
  return addon().convertWeights(from, to, rest, { ...withoutTraining(metadata), ...added });
}

/**
 * Writes the trained network of a run directory alone, without teacher, review modules and optimizer.
 *
 * @param path - default: `student-last.safetensors` or `student-best.safetensors` in the directory.
 * @returns where it was written.
 * @throws ReviewKdError `FILE_NOT_FOUND` where the directory has no such checkpoint, and what {@link convertWeights} throws.
 * @example
 * ```ts
 * await exportStudent("runs/r56-r20", "resnet20.pt", { checkpoint: "best" });
 * ```
 */
export async function exportStudent(runDirectory: string, path?: string, options: ExportOptionsInput = {}): Promise<string> {
  const { checkpoint, ...rest } = parse(ExportOptions, options, "export options");
  const from = runFile(runDirectory, checkpoint);
  const to = path ?? join(runDirectory, `student-${checkpoint}.safetensors`);
  await convertWeights(from, to, { ...rest, metadata: await metadataOf(runDirectory, from) });
  return to;
}

/** What the run knows of the network, and how good it was at this checkpoint. */
async function metadataOf(runDirectory: string, checkpoint: string): Promise<Metadata> {
  const { fit, metadata } = await inspectWeights(checkpoint);
  const student = runFile(runDirectory, "student");
  const recorded = await exists(student) ? (await readWeightsInfo(student)).metadata : {};
  const kept = Object.entries(recorded).filter(([key]) => ["model", "numClasses", "dataset", "normalization", CLASS_NAMES_KEY].includes(key));
  const { progress: { last, best, epochsDone }, stepsDone } = await readStanding(checkpoint);
  const primary = best === null ? undefined : primaryNameOf(best);
  return {
    ...(fit === null ? {} : { model: fit.name, numClasses: String(fit.numClasses) }),
    ...(metadata[CLASS_NAMES_KEY] === undefined ? {} : { [CLASS_NAMES_KEY]: metadata[CLASS_NAMES_KEY] }),
    ...Object.fromEntries(kept),
    ...(last === null || primary === undefined || stepsDone > 0 ? {} : { [primary]: String(namedValue(last, primary)) }),
    ...(epochsDone === 0 ? {} : { epoch: String(epochsDone - 1) }),
  };
}

/** What a checkpoint of a training carries for itself alone is left out. */
function withoutTraining(metadata: Readonly<Metadata>): Metadata {
  const isTraining = Object.keys(metadata).some((key) => key.startsWith(SESSION_PREFIX));
  const own = Object.values<string>(METADATA);
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !isTraining || !(key.startsWith(SESSION_PREFIX) || own.includes(key))));
}

async function refuseToReplace(path: string, overwrite: boolean): Promise<void> {
  if (overwrite || !(await exists(path))) return;
  throw new ReviewKdError("INVALID_ARGUMENT", `expected the name of a new file, got "${path}", which is there. Replace it with \`overwrite: true\` (on the command line --force).`);
}
