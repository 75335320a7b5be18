// A classifier as a directory for transformers.js, https://huggingface.co/docs/transformers.js.
import { existsSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { filePath } from "../../config/file-path.js";
import type { Preprocessing } from "../../config/schemas/data.js";
import type { OnnxFile, OnnxOptions } from "../../config/schemas/onnx.js";
import { assertObject, parse } from "../../config/validation.js";
import { causedBy, ReviewKdError } from "../../errors.js";
import { makeDirectory } from "../../make-directory.js";
import { replaceFile } from "../../replace-file.js";
import { resizeSizeFor } from "../classification/preprocessing.js";
import type { ExportOnnxOptions } from "./export-onnx.js";

/** Options of {@link Model.exportTransformers}: those of {@link Model.exportOnnx} but for what the directory fixes. */
export interface ExportTransformersOptions extends Omit<ExportOnnxOptions, "normalization" | "metadata"> {}

/** A classifier as far as the directory describes it. */
interface Classifier {
  readonly name: string;
  readonly numClasses: number;
  readonly classNames: readonly string[] | null;
  readonly preprocessing: Preprocessing;
  exportOnnx(path: string, options: ExportOnnxOptions): Promise<OnnxFile>;
}

/** How transformers.js calls the precision of a file, and the end of the file's name. */
const PRECISIONS: Readonly<Record<OnnxFile["dtype"], readonly [dtype: string, suffix: string]>> = {
  float32: ["fp32", ""],
  float16: ["fp16", "_fp16"],
  int8: ["q8", "_quantized"],
};

/**
 * Pillow's number of a resampling. In Node, transformers.js antialiases this one alone: with the training's own,
 * bilinear, it skips pixels of photographs, which changes probabilities ten times as much. Browsers use a canvas.
 */
const LANCZOS = 1;

/** Writes `onnx/model.onnx`, `preprocessor_config.json` and `config.json`. */
export async function exportTransformersWith(model: Classifier, directory: string,
  options: ExportTransformersOptions): Promise<OnnxFile> {
  const to = parse(filePath("a directory"), directory, "directory");
  assertObject(options, "options of exportTransformers");
  if ("normalization" in options || "metadata" in options) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      "invalid options of exportTransformers: expected neither normalization nor metadata, which the directory's own files have. Leave them out, or use exportOnnx.");
  }
  const { dtype = "float32", quantize } = options as Partial<OnnxOptions>;
  const precision = quantize ?? dtype;
  const [name, suffix] = PRECISIONS[Object.hasOwn(PRECISIONS, precision) ? precision : "float32"];
  const networks = join(to, "onnx");
  const created = [networks, to].filter((path) => !existsSync(path));
  try {
    await withAccessErrors(to, () => makeDirectory(networks));
    const file = await model.exportOnnx(join(networks, networkFile(suffix)), options);
    const { preprocessing } = model;
    await write(to, "preprocessor_config.json", processorConfig(preprocessing, file.imageSize));
    await write(to, "config.json", networkConfig(model, options.classNames ?? model.classNames, name));
    await removeOthers(networks, networkFile(suffix));
    return file;
  } catch (error) {
    // Those that are not empty stay.
    for (const path of created) await rmdir(path).catch(() => undefined);
    throw error;
  }
}

function networkFile(suffix: string): string {
  return `model${suffix}.onnx`;
}

/** Removes the networks of earlier exports in other precisions, which the new configuration is not of. */
async function removeOthers(directory: string, kept: string): Promise<void> {
  const names = Object.values(PRECISIONS).map(([, suffix]) => networkFile(suffix)).filter((name) => name !== kept);
  for (const name of names) {
    const path = join(directory, name);
    await withAccessErrors(path, () => rm(path, { force: true }));
  }
}

/**
 * Resizing and cropping as those of the test images of the training; the network itself normalizes. The crop has the
 * height and width: those in `size` would squeeze photographs that are no squares.
 */
function processorConfig(preprocessing: Preprocessing, [height, width]: readonly [number, number]): object {
  const { mean, std } = preprocessing.normalization;
  return {
    image_processor_type: "ViTImageProcessor",
    do_convert_rgb: true,
    do_resize: true,
    size: { shortest_edge: resizeSizeFor([height, width], preprocessing) },
    resample: LANCZOS,
    do_center_crop: true,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: false,
    image_mean: mean,
    image_std: std,
  };
}

function networkConfig({ name, numClasses }: Classifier, classNames: readonly string[] | null, dtype: string): object {
  const names = classNames ?? Array.from({ length: numClasses }, (_, index) => String(index));
  return {
    // Of the types that transformers.js knows for classifiers; all of them run the file and read its logits.
    model_type: "resnet",
    architectures: ["ResNetForImageClassification"],
    _name_or_path: name,
    num_labels: numClasses,
    id2label: Object.fromEntries(names.map((label, index) => [index, label])),
    label2id: Object.fromEntries(names.map((label, index) => [label, index])),
    "transformers.js_config": { dtype },
  };
}

async function write(directory: string, name: string, content: object): Promise<void> {
  const path = join(directory, name);
  await withAccessErrors(path, () => replaceFile(path, `${JSON.stringify(content, null, 2)}\n`));
}

async function withAccessErrors<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw causedBy("FILE_ACCESS", `cannot write ${path}`, error, "Pass a directory that can be written.");
  }
}
