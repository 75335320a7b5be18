/** Weights files independent of a network: inspecting, reading, writing and converting. */
import { existsSync } from "node:fs";
import { DETECTOR_METADATA } from "../api/detection/detector-file.js";
import { readWeightsInfo, TRAINING_METADATA } from "../api/model.js";
import { toEntries, toStateDict, type StateDict } from "../api/tensor.js";
import { detectorSwitches, nativeSwitches, stagesOf } from "../config/schemas/detection/detector.js";
import { Metadata } from "../config/schemas/common.js";
import { ConvertOptions, WeightsChoice, type ConvertOptionsInput, type DetectorFileInfo,
  type WeightsInspection } from "../config/schemas/weights.js";
import { withHome } from "../config/file-path.js";
import { parse } from "../config/validation.js";
import { weightsFiles } from "../config/weights-path.js";
import { atCall, ReviewKdError } from "../errors.js";
import { addon } from "../native.js";

/** Prefix of a training checkpoint's metadata keys, except those of {@link TRAINING_METADATA}. */
const SESSION_PREFIX = "session.";

/**
 * Like {@link readWeightsInfo}, and identifies the network or detector whose names and shapes match the file best.
 *
 * @throws ReviewKdError as {@link readWeightsInfo}.
 * @example
 * ```ts
 * const { format, parameters, fit } = await inspectWeights("resnet20.pth");
 * console.log(format, parameters, fit?.name, fit?.numClasses);
 * ```
 */
export async function inspectWeights(path: string, options: WeightsChoice = {}): Promise<WeightsInspection> {
  return atCall(inspect(path, options));
}

async function inspect(path: string, options: WeightsChoice): Promise<WeightsInspection> {
  const choice = parse(WeightsChoice, options, "options");
  const info = await readWeightsInfo(path, choice);
  const files = await weightsFiles(path);
  const ofDetector = info.detector === null ? null
    : await addon().matchWeights(files, { ...choice, detection: builtSwitches(info.detector) });
  const match = ofDetector ?? await addon().matchWeights(files, choice);
  if (match === null) return { ...info, fit: null };
  const { names, ...fit } = match;
  // A network that shares a few names with the file gives it no other names; of several, none is meant.
  const isPlain = fit.prefix === "" && fit.layout === "" && !names.includes(null);
  if (isPlain || fit.otherPrefixes.length > 0) return { ...info, fit };
  const own = info.tensors.flatMap((tensor, index) => {
    const name = names[index];
    return name === null || name === undefined ? [] : [{ ...tensor, name }];
  });
  const { selection } = info;
  const prefixes = fit.prefix === "" ? selection.prefixes : [...selection.prefixes, fit.prefix];
  const others = info.tensors.flatMap(({ name }, index) => names[index] === null ? [name] : []);
  return {
    ...info,
    tensors: own,
    parameters: own.length === info.tensors.length ? info.parameters : parametersOf(own),
    selection: { ...selection, prefixes, leftAside: selection.leftAside + others.length,
      leftAsideNames: [...selection.leftAsideNames, ...others] },
    fit,
  };
}

/** Number of trainable parameters by their names and types, as the addon counts those of a whole file. */
function parametersOf(tensors: WeightsInspection["tensors"]): number {
  return tensors.filter(({ name, dtype }) => /float/.test(dtype) && !/running_(?:mean|var)$/.test(name))
    .reduce((total, { shape }) => total + shape.reduce((product, length) => product * length, 1), 0);
}

/** Switches and number of classes with which a detector has a file's shapes. */
function builtSwitches({ kind, flavor, switches, numClasses }: DetectorFileInfo): object {
  const all = detectorSwitches(stagesOf(kind), flavor, switches ?? {}, { norm: "frozen", trainableLayers: 0 });
  return { ...nativeSwitches(all), numClasses: numClasses ?? 1 };
}

/**
 * Reads the state dict and metadata of a file of any format. Losslessly converts float16 to float32, narrower integers
 * to int64, and booleans to uint8.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `UNKNOWN_NAME` (a key).
 * @example
 * ```ts
 * const { state, metadata } = await readStateDict("checkpoint.pth", { key: "model_ema" });
 * console.log(Object.keys(state), metadata["epoch"]);
 * ```
 */
export async function readStateDict(path: string,
  options: WeightsChoice = {}): Promise<{ state: StateDict; metadata: Metadata }> {
  return atCall(read(path, options));
}

async function read(path: string, options: WeightsChoice): Promise<{ state: StateDict; metadata: Metadata }> {
  const { entries, metadata } = await addon().readStateDict(await weightsFiles(path),
    parse(WeightsChoice, options, "options"));
  return { state: toStateDict(entries), metadata };
}

/**
 * Writes a state dict atomically to a `.safetensors`, `.pt` or `.pth` file. In Python,
 * `torch.load(path, weights_only=True)` reads the latter two; the result has `metadata` as an attribute.
 *
 * @throws ReviewKdError `FILE_UNSUPPORTED` (another extension), `FILE_ACCESS`, `INVALID_ARGUMENT`, `DISPOSED`.
 * @example
 * ```ts
 * await writeStateDict("head.pt", { "fc.bias": Tensor.from([0, 1], [2]) }, { note: "by hand" });
 * ```
 */
export async function writeStateDict(path: string, state: Readonly<StateDict>,
  metadata: Readonly<Metadata> = {}): Promise<void> {
  return atCall(write(path, state, metadata));
}

async function write(path: string, state: Readonly<StateDict>, metadata: Readonly<Metadata>): Promise<void> {
  parse(Metadata, metadata, "metadata");
  await addon().writeStateDict(withHome(path), toEntries(state), { ...metadata });
}

/**
 * Writes the state dict of one file to another, in the format of its extension: `.safetensors`, `.pt` or `.pth`, under
 * the names of the network that it fits, as {@link inspectWeights} finds it. Strips prefixes from the names and drops
 * tensors that belong to no network; keeps the file's metadata.
 *
 * @returns the number of tensors.
 * @throws ReviewKdError `INVALID_ARGUMENT` if the output file exists and `overwrite` is not set, and what
 * {@link readStateDict} and {@link writeStateDict} throw.
 * @example
 * ```ts
 * await convertWeights("checkpoint.pth", "resnet20.safetensors", { dtype: "float32" });
 * ```
 */
export async function convertWeights(from: string, to: string, options: ConvertOptionsInput = {}): Promise<number> {
  return atCall(convert(from, to, options));
}

async function convert(from: string, to: string, options: ConvertOptionsInput): Promise<number> {
  const { overwrite, metadata: added, ...rest } = parse(ConvertOptions, options, "convert options");
  const [input, output] = [withHome(from), withHome(to)];
  assertWritable(output, overwrite);
  const { metadata, detector } = await readWeightsInfo(input, { ...(rest.key === undefined ? {} : { key: rest.key }) });
  return addon().convertWeights(await weightsFiles(input), output, rest, { ...recognizedMetadata(detector),
    ...withoutTraining(metadata), ...added });
}

/** Metadata of a detector whose norms lack an epsilon, by which its file is not recognized once it was converted. */
function recognizedMetadata(detector: DetectorFileInfo | null): Metadata {
  if (detector?.switches?.normEps !== 0) return {};
  return { [DETECTOR_METADATA.flavor]: detector.flavor,
    [DETECTOR_METADATA.switches]: JSON.stringify(detector.switches) };
}

/** The metadata without the entries that only resuming a training uses. */
function withoutTraining(metadata: Readonly<Metadata>): Metadata {
  const isTraining = Object.keys(metadata).some((key) => key.startsWith(SESSION_PREFIX));
  const own = Object.values<string>(TRAINING_METADATA);
  return Object.fromEntries(
    Object.entries(metadata).filter(([key]) => !isTraining || !(key.startsWith(SESSION_PREFIX) || own.includes(key))),
  );
}

function assertWritable(path: string, overwrite: boolean): void {
  if (overwrite || !existsSync(path)) return;
  const message =
    `the file "${path}" already exists. Replace it with \`overwrite: true\` (on the command line --force).`;
  throw new ReviewKdError("INVALID_ARGUMENT", message);
}
