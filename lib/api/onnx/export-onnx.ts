// Networks as ONNX files, for any runtime that reads them.
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type z } from "zod";
import { hasBackgroundClass, isDetectorName } from "../../config/detector-defaults.js";
import { filePath } from "../../config/file-path.js";
import { OnnxOptions, type OnnxFile } from "../../config/schemas/onnx.js";
import type { Normalization, Preprocessing } from "../../config/schemas/data.js";
import type { Evaluation } from "../../config/schemas/epoch.js";
import { assertObject, parse } from "../../config/validation.js";
import { causedBy, ReviewKdError } from "../../errors.js";
import type { NativeModel, NativeOnnxGraph } from "../../native-types.js";
import { assertCallback, throwIfAborted, withSignal } from "../abort.js";
import { resizeSizeFor } from "../classification/preprocessing.js";
import { assertSplit, type DatasetSplit } from "../dataset.js";
import { evaluateWith } from "../network.js";
import { availableMemory, packageVersion } from "../system.js";
import { type Tensor } from "../tensor.js";

/** A step of an export that takes a while: how much of it is done. */
export interface OnnxProgress {
  readonly stage: "evaluate-float32" | "calibrate" | "ranges" | "evaluate-int8";
  /** Images that are done, and all of them. */
  readonly done: number;
  readonly total: number;
}

/** Options of {@link Model.exportOnnx}. */
export interface ExportOnnxOptions extends z.input<typeof OnnxOptions> {
  /** With `quantize`: the images that the ranges of activations are measured on, drawn at random; as `data.train`. */
  readonly calibration?: DatasetSplit | undefined;
  /** With `quantize`: the images that the network is judged by before and after it; as `data.test`. */
  readonly test?: DatasetSplit | undefined;
  /** Stops with `ABORTED` between the parts of the export, and within those of `quantize`; no file is written. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of the measurements of `quantize`. */
  readonly onProgress?: ((progress: OnnxProgress) => void) | undefined;
}

/** A network as far as its file depends on it. */
interface Exported {
  readonly native: NativeModel;
  readonly name: string;
  readonly numClasses: number;
  parameterCount(): number;
  /** Of images that the network was made for. */
  readonly imageSize: readonly [height: number, width: number];
  /** Of a classifier; `null`: a part of the network. */
  readonly preprocessing: Preprocessing | null;
  readonly classNames: readonly string[] | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/** At most. */
const IMAGES_AT_A_TIME = 32;

/** Exports with `options` in place of what the network has by itself. */
export async function exportOnnxWith(network: Exported, path: string, options: ExportOnnxOptions): Promise<OnnxFile> {
  assertObject(options, "ONNX options");
  const { calibration, test, signal, onProgress, ...rest } = options;
  const parsed = parse(OnnxOptions, rest, "ONNX options");
  const to = onnxPath(path);
  throwIfAborted(signal, "the export");
  assertCallback(onProgress, "onProgress");
  const normalization = normalizationOf(network, parsed);
  const [height, width] = sizeOf(parsed.imageSize) ?? network.imageSize;
  assertQuantizable(network, parsed, { calibration, test });
  for (const data of [calibration, test]) assertImageSize(data, [height, width]);
  assertClassNames(network, parsed);
  await assertWritable(to);
  const multiplyAdds = await network.native.cost(height, width, availableMemory());
  assertWanted(signal);
  const graph = await network.native.traceOnnx({ height, width, dtype: parsed.dtype, memory: availableMemory() });
  try {
    assertWanted(signal);
    const report = { signal, onProgress };
    const quantization = calibration === undefined ? null
      : await quantize(graph, { calibration, test, wanted: parsed.calibrationImages }, report);
    assertWanted(signal);
    const metadata = metadataOf(network, parsed, [height, width]);
    const written = await graph.write(to, { normalization: normalization ?? undefined, opset: parsed.opset,
      version: packageVersion() }, metadata);
    return { path: to, ...written, opset: parsed.opset, dtype: quantization === null ? parsed.dtype : "int8",
      imageSize: [height, width], parameters: network.parameterCount(), multiplyAdds, quantization };
  } finally {
    graph.dispose();
  }
}

/** @throws ReviewKdError `ABORTED` between the parts of an export. */
function assertWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new ReviewKdError("ABORTED", "the export was stopped", { cause: signal.reason });
}

/** @throws ReviewKdError `FILE_UNSUPPORTED` for a name that does not end with .onnx. */
function onnxPath(path: unknown): string {
  const to = parse(filePath("a file that ends with .onnx"), path, "path");
  if (to.toLowerCase().endsWith(".onnx")) return to;
  throw new ReviewKdError("FILE_UNSUPPORTED",
    `invalid path: expected a file that ends with .onnx, received ${to}. Use save for weights alone.`);
}

/** @throws ReviewKdError `FILE_ACCESS`, before work that takes long, where the file could not be written after it. */
async function assertWritable(path: string): Promise<void> {
  try {
    await access(dirname(resolve(path)), constants.W_OK);
    if ((await stat(path).catch(() => undefined))?.isDirectory() === true)
      throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  } catch (error) {
    throw causedBy("FILE_ACCESS", `cannot write ${path}`, error,
      "Pass a file in a directory that exists and can be written.");
  }
}

function sizeOf(size: z.output<typeof OnnxOptions>["imageSize"]): readonly [number, number] | undefined {
  return typeof size === "number" ? [size, size] : size;
}

function normalizationOf(network: Exported, { normalization }: OnnxOptions): Normalization | null {
  const { preprocessing } = network;
  if (preprocessing !== null) return normalization === false ? null : normalization ?? preprocessing.normalization;
  if (normalization === undefined) return null;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid normalization: expected none for the detector ${network.name}, whose own is a part of it. Leave it out.`);
}

/** @throws ReviewKdError `INVALID_ARGUMENT` */
function assertQuantizable(network: Exported, { quantize, dtype }: OnnxOptions,
  { calibration, test }: Pick<ExportOnnxOptions, "calibration" | "test">): void {
  const fail = (message: string): never => {
    throw new ReviewKdError("INVALID_ARGUMENT", message);
  };
  if (quantize === undefined) {
    if (calibration === undefined && test === undefined) return;
    fail('invalid ONNX options: expected `quantize` with `calibration` and `test`. Pass `quantize: "int8"`.');
  }
  if (network.preprocessing === null) {
    fail(
      `invalid quantize: expected a classifier, received the detector ${network.name}. Export it in float16, which halves its size.`,
    );
  }
  if (dtype !== "float32")
    fail(`invalid dtype: expected float32 with \`quantize\`, received ${dtype}. Leave one of them out.`);
  if (calibration === undefined) {
    fail(
      "invalid ONNX options: expected images in `calibration` for `quantize`. Pass `data.train` of the result of loadDataset.",
    );
  }
  assertSplit(calibration);
  if (test !== undefined) assertSplit(test);
}

/** @throws ReviewKdError `INVALID_ARGUMENT` unless there is a name for each class, the background left out. */
function assertClassNames({ name, numClasses }: Exported, { classNames }: OnnxOptions): void {
  const wanted = numClasses - (isDetectorName(name) && hasBackgroundClass(name) ? 1 : 0);
  if (classNames === undefined || classNames.length === wanted) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid classNames: expected ${wanted} names, one for each class, received ${classNames.length}. Pass one name per class.`);
}

/** @throws ReviewKdError `SHAPE_MISMATCH` for images that the file would not take. */
function assertImageSize(data: DatasetSplit | undefined, size: readonly [number, number]): void {
  if (data === undefined) return;
  const [, ...own] = data.imageShape;
  if (own.join() === size.join()) return;
  throw new ReviewKdError("SHAPE_MISMATCH",
    `invalid ${data.name} images: expected ${size.join("×")} pixels as the file takes them, received ${own.join("×")}. Quantize without another \`imageSize\`, or with data of that size.`);
}

type Quantization = NonNullable<OnnxFile["quantization"]>;
type Reports = Pick<ExportOnnxOptions, "signal" | "onProgress">;

async function quantize(graph: NativeOnnxGraph,
  { calibration, test, wanted }: { readonly calibration: DatasetSplit; readonly test: DatasetSplit | undefined;
    readonly wanted: number }, { signal, onProgress }: Reports): Promise<Quantization> {
  const evaluate = (stage: OnnxProgress["stage"]): Promise<Evaluation | null> =>
    test === undefined ? Promise.resolve(null) : evaluateWith(graph, test, { signal, onProgress: (done) =>
      onProgress?.({ stage, done, total: test.size }) });
  const before = await evaluate("evaluate-float32");
  const images = await imagesOf(calibration, wanted, { signal, onProgress });
  try {
    const calibrationImages = images.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    const onRange = (done: number): void => onProgress?.({ stage: "ranges", done, total: calibrationImages });
    await withSignal({ signal, onProgress: onRange, what: "the quantization" }, (stop, progress) =>
      graph.quantize(images.map((batch) => batch.native), stop, progress));
    return { calibrationImages, before, after: await evaluate("evaluate-int8") };
  } finally {
    for (const batch of images) batch.dispose();
  }
}

/** Batches of a split in random order, without augmentation. */
async function imagesOf(data: DatasetSplit, wanted: number, { signal, onProgress }: Reports): Promise<Tensor[]> {
  const found: Tensor[] = [];
  const total = Math.min(wanted, data.size);
  let batchSize = IMAGES_AT_A_TIME;
  // Whole batches, so that there are as many images as wanted.
  while (total % batchSize !== 0) --batchSize;
  let done = 0;
  try {
    for await (const batch of data.batches({ batchSize, seed: 0, shuffle: true, augment: false })) {
      assertWanted(signal);
      const { images, labels } = batch as { readonly images: Tensor; readonly labels: Tensor };
      labels.dispose();
      found.push(images);
      done += images.shape[0] ?? 0;
      onProgress?.({ stage: "calibrate", done, total });
      if (done >= total) break;
    }
  } catch (error) {
    for (const images of found) images.dispose();
    throw error;
  }
  if (done > 0) return found;
  throw new ReviewKdError("INVALID_ARGUMENT",
    "invalid calibration: expected images, received a split without any. Pass `data.train`.");
}

/** The file's metadata; see docs/export.md. */
function metadataOf(network: Exported, { classNames, normalization, metadata }: OnnxOptions,
  imageSize: readonly [number, number]): Record<string, string> {
  const names = classNames ?? network.classNames;
  const { preprocessing } = network;
  return {
    model: network.name,
    numClasses: String(network.numClasses),
    ...(names === null ? {} : { classNames: JSON.stringify(names) }),
    channelOrder: "rgb",
    ...(preprocessing !== null && normalization === false
      ? { normalization: JSON.stringify(preprocessing.normalization) } : { inputRange: JSON.stringify([0, 1]) }),
    ...(preprocessing === null ? {} : { resizeSize: JSON.stringify(resizeSizeFor(imageSize, preprocessing)) }),
    ...network.metadata,
    ...metadata,
  };
}
