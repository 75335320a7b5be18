// Exports for runtimes: ONNX files, and directories for transformers.js.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { createDetector, createModel, inspectWeights, isDetectorName, loadDataset, loadStudent, Model, readRunConfig,
  readRunData, ReviewKdError, type Dataset, type DataSourceInput, type Detector, type ExportOnnxOptions,
  type OnnxFile } from "../index.js";
import { openDataDisplay, showNotices } from "./display/data-progress.js";
import { costTable, openExportDisplay, quantizationTable, type NetworkCost } from "./display/export-reporter.js";
import type { Output } from "./display/output.js";
import { listenForInterrupt } from "./interrupt.js";
import { networkName } from "./network-name.js";
import { readClassNames } from "./options/class-names.js";
import { omitUndefined } from "./options/omit-undefined.js";
import type { DataSpec } from "./options/values.js";

export interface OnnxFlags {
  readonly best?: true;
  readonly force?: true;
  readonly dtype?: string;
  readonly to?: "transformers.js";
  readonly imageSize?: [height: number, width: number];
  readonly opset?: number;
  /** false with --no-normalization. */
  readonly normalization?: boolean;
  readonly quantize?: "int8";
  readonly calibrationImages?: number;
  readonly classNames?: string;
  readonly data?: DataSpec;
}

/** Bytes of a parameter, as the teacher's are counted. */
const FLOAT32_BYTES = 4;

/** Exports the network of a run directory, or of a weights file. */
export async function exportOnnx(output: Output, source: string, out: string | undefined,
  flags: OnnxFlags): Promise<void> {
  const isFile = statSync(source, { throwIfNoEntry: false })?.isFile() === true;
  assertUseful(source, out, isFile, flags);
  const to = out ?? join(source, "transformers");
  assertFree(to, flags);
  // Before anything is written, since a configuration may be damaged.
  const teacher = await teacherOf(source);
  using interrupt = listenForInterrupt(() => {
    output.notice("stopping…");
  });
  using network = await openNetwork(source, flags);
  const options = await exportOptions(flags);
  using data = flags.quantize === undefined ? undefined
    : await openData(output, source, network, flags, interrupt.signal);
  using display = openExportDisplay(output);
  const file = await write(network, to, { ...options, ...omitUndefined({ calibration: data?.train, test: data?.test }),
    signal: interrupt.signal, onProgress: display.progress }, flags.to);
  display[Symbol.dispose]();
  const checkpoint = isFile ? null : flags.best === true ? "best" : "last";
  await report(output, { source, to, network, file, teacher, checkpoint });
}

/** @throws ReviewKdError `INVALID_ARGUMENT` for flags and outputs that have no meaning together. */
function assertUseful(source: string, out: string | undefined, isFile: boolean,
  { best, quantize, data, calibrationImages, to }: OnnxFlags): void {
  const fail = (message: string): never => {
    throw new ReviewKdError("INVALID_ARGUMENT", message);
  };
  if (isFile && best === true)
    fail(`invalid --best: expected a run directory, received the weights file ${source}. Leave it out.`);
  if (isFile && out === undefined)
    fail("missing output: expected a directory for the network of a weights file. Name one.");
  if (quantize === undefined && (data ?? calibrationImages) !== undefined) {
    fail(
      `invalid ${data === undefined ? "--calibration-images" : "--data"}: expected it with --quantize, which measures on images. Pass --quantize int8, or leave it out.`,
    );
  }
  if (to !== undefined && out?.toLowerCase().endsWith(".onnx") === true)
    fail(`invalid output for --to ${to}: expected a directory, received ${out}. Name a directory, or leave --to out.`);
}

/** @throws ReviewKdError `INVALID_ARGUMENT` for a file that exists, and a directory that has another one's files. */
function assertFree(to: string, { force, to: target }: OnnxFlags): void {
  const occupied = target === undefined ? to : join(to, "config.json");
  if (force === true || !existsSync(occupied)) return;
  throw new ReviewKdError("INVALID_ARGUMENT", `the file "${occupied}" already exists. Replace it with --force.`);
}

async function openNetwork(source: string, { best }: OnnxFlags): Promise<Model | Detector> {
  const isFile = statSync(source, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) return loadStudent(source, { checkpoint: best === true ? "best" : "last" });
  const { metadata, fit } = await inspectWeights(source);
  const name = await networkName(source, fit !== null && fit.matching === fit.entries ? fit.name : undefined, metadata);
  if (isDetectorName(name)) return createDetector(name, { weights: source });
  return createModel(name, { weights: source, ...omitUndefined({ numClasses: fit?.numClasses }) });
}

async function exportOptions(
  { imageSize, opset, normalization, quantize, calibrationImages, dtype, classNames }: OnnxFlags,
): Promise<ExportOnnxOptions> {
  return omitUndefined({
    imageSize,
    opset,
    quantize,
    calibrationImages,
    dtype: dtype,
    normalization: normalization === false ? normalization : undefined,
    classNames: classNames === undefined ? undefined : await readClassNames(classNames),
  });
}

function write(network: Model | Detector, to: string, options: ExportOnnxOptions,
  target: OnnxFlags["to"]): Promise<OnnxFile> {
  if (target === undefined) return network.exportOnnx(to, options);
  if (network instanceof Model) return network.exportTransformers(to, options);
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid --to: expected a classifier, received the detector ${network.name}, whose outputs transformers.js does not know. Export an .onnx file.`);
}

/** The images of the run's own data, or of others that the user names. */
async function openData(output: Output, source: string, network: Model | Detector, flags: OnnxFlags,
  signal: AbortSignal): Promise<Dataset> {
  using display = openDataDisplay(output);
  const known = network.classNames === null ? {} : { classNames: network.classNames };
  const from = withImageSize(flags.data === undefined ? await dataOf(source) : asTrained(flags.data, network),
    flags.imageSize);
  const data = await loadDataset(from as DataSourceInput, { signal, onProgress: display.loading, ...known });
  showNotices(output, data.notices);
  return data;
}

/** The images of a folder as the network was trained on them. */
function asTrained(data: DataSpec, network: Model | Detector): object {
  if (data.kind !== "image-folder" || !(network instanceof Model)) return data;
  const { imageSize: [height, width], normalization } = network.preprocessing;
  return { ...omitUndefined({ imageSize: height === width ? height : undefined, normalization }), ...data };
}

/** The images of a folder in the size that the file takes. */
function withImageSize(data: object & { readonly kind?: unknown }, size: OnnxFlags["imageSize"]): object {
  const [height, width] = size ?? [];
  return data.kind === "image-folder" && height !== undefined && height === width ? { ...data, imageSize: height }
    : data;
}

async function dataOf(source: string): Promise<object> {
  if (statSync(source).isDirectory()) return readRunData(source);
  throw new ReviewKdError("INVALID_ARGUMENT",
    `missing --data: quantization measures on images, and the weights file ${source} records none. Pass the data that the network was trained on.`);
}

interface Exported {
  readonly source: string;
  readonly to: string;
  readonly network: Model | Detector;
  readonly file: OnnxFile;
  /** The name of a distillation's teacher. */
  readonly teacher: string | undefined;
  /** `null` for a weights file. */
  readonly checkpoint: "last" | "best" | null;
}

async function report(output: Output,
  { source, to, network, file, checkpoint, teacher: name }: Exported): Promise<void> {
  const { parameters, multiplyAdds, bytes } = file;
  const teacher = name === undefined ? undefined : await costOf(name, network, file.imageSize);
  output.event({ type: "exported", run: source, checkpoint, path: to, file, teacher: teacher ?? null });
  const input = file.inputs.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ");
  const outputs = file.outputs.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ");
  output.line(
    `wrote the network of ${source}${checkpoint === null ? "" : ` (${checkpoint})`} to ${to}: ONNX opset ${file.opset}, ${file.dtype}`,
  );
  output.line(`${input} → ${outputs}`);
  output.line();
  output.line(costTable({ name: network.name, bytes, parameters, multiplyAdds }, teacher));
  if (file.quantization === null) return;
  const table = quantizationTable(file.quantization, network.task);
  if (table !== undefined) output.line(`\n${table}`);
  output.line(`ranges of ${file.quantization.calibrationImages} training images; int8 computed as runtimes do`);
}

/** The name of a distillation's teacher; `undefined` for other runs. */
async function teacherOf(source: string): Promise<string | undefined> {
  const path = join(source, "config.json");
  if (!existsSync(path)) return undefined;
  const config = await readRunConfig(path);
  return config.task === "distill" ? config.teacher.name : undefined;
}

/** The cost of a network of this name in float32. */
async function costOf(name: string, { numClasses }: Model | Detector,
  [height, width]: readonly [number, number]): Promise<NetworkCost> {
  using teacher = isDetectorName(name) ? await createDetector(name, { numClasses })
    : await createModel(name, { numClasses });
  const parameters = teacher.parameterCount();
  return { name, parameters, bytes: parameters * FLOAT32_BYTES,
    multiplyAdds: await teacher.multiplyAdds(height, width) };
}
