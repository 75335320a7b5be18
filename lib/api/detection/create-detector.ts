import { z } from "zod";
import { dataSwitches, hasBackgroundClass } from "../../config/detector-defaults.js";
import { atCall, ReviewKdError } from "../../errors.js";
import { addon } from "../../native.js";
import { backboneSwitches, DetectorOptions, type DetectorOptionsInput, detectorSwitches, type DetectorSwitches,
  nativeSwitches, OneStageOptions, stagesOf, TwoStageOptions } from "../../config/schemas/detection/detector.js";
import { assertObject, parse } from "../../config/validation.js";
import { assertDataSuits } from "../data-suits.js";
import { assertDataset, type Dataset } from "../dataset.js";
import { Detector, type DetectorSource } from "./detector.js";
import { assertSameDetector, DETECTOR_METADATA, readDetectorFile } from "./detector-file.js";
import { explainMemory } from "../model.js";
import { knownDetector } from "../network.js";

/** Options of {@link createDetector}. */
export interface CreateDetectorOptions extends DetectorOptionsInput {
  /**
   * The data that it is for: names and ids of its classes are theirs. Without `weights`, or with `strict: false`, the
   * default of `numClasses` is theirs as well, with the background where a detector counts it. Without `weights`, drawn
   * scenes are not resized (`minSize: null`).
   */
  readonly data?: Dataset | undefined;
}

/** The number of classes of torchvision's detectors for COCO. */
const COCO_CLASSES = 91;

/**
 * Creates a detector with its published initialisation, or from a file: then flavor, switches, number of classes and
 * class names are the file's unless options say otherwise. {@link Detector.loadReport} lists what was loaded.
 *
 * @param name - `faster-rcnn-BACKBONE-fpn`, `mask-rcnn-BACKBONE-fpn` or `retinanet-BACKBONE-fpn` with a network for
 * ImageNet, for example `"faster-rcnn-resnet18-fpn"`.
 * @throws ReviewKdError `UNKNOWN_NAME` (with the list of names), `INVALID_ARGUMENT`, `CUDA_UNAVAILABLE`, and what
 * {@link Detector.load} throws if weights are given.
 * @example
 * ```ts
 * const teacher = await createDetector("faster-rcnn-resnet101-fpn", { weights: "model_final_f6e8b1.pkl" });
 * const student = await createDetector("faster-rcnn-mobilenetv2-fpn", { numClasses: teacher.numClasses,
 *   backboneWeights: "mobilenet_v2-b0353104.pth" });
 * const small = await createDetector("retinanet-resnet18-fpn", { data }); // as many classes as the data have
 * ```
 */
export async function createDetector(name: string, options: CreateDetectorOptions = {}): Promise<Detector> {
  return atCall(newDetector(name, options));
}

async function newDetector(name: string, options: CreateDetectorOptions): Promise<Detector> {
  assertObject(options, "detector options");
  const { data, ...others } = options;
  const { weights, backboneWeights, key, strict, detection, flavor: givenFlavor, numClasses: givenClasses, ...rest } =
    parse(DetectorOptions, others, "detector options");
  const parsedName = knownDetector(parse(z.string(), name, "detector name"), "detector name");
  const fromData = data === undefined ? null : ofData(parsedName, data);
  const stages = stagesOf(parsedName);
  const given: DetectorSwitches = parse(stages === "one-stage" ? OneStageOptions : TwoStageOptions, detection ?? {},
    "detection options");
  const source = await sourceOf(weights, backboneWeights, { key, strict });

  const flavor = givenFlavor ?? source?.file.flavor ?? "torchvision";
  const ofFile = source?.part === "all" ? source.file.numClasses : null;
  const numClasses = givenClasses ??
    (strict ? ofFile ?? fromData?.numClasses : fromData?.numClasses ?? ofFile) ?? COCO_CLASSES;
  if (source?.part === "all")
    assertSameDetector(source.path, source.file, { name: parsedName, flavor, numClasses }, strict);
  const dataDefaults = source?.part === "all" ? {} : fromData?.switches ?? {};
  const switches = detectorSwitches(stages, flavor, trainedParts(source), dataDefaults, switchesOf(source), given);
  const native = await addon().createDetector({ ...rest, name: parsedName,
    detection: { ...nativeSwitches(switches), numClasses } }).catch((error: unknown) => {
      throw explainMemory(error, parsedName, numClasses);
    });
  const classes = data !== undefined && numClasses === fromData?.numClasses ? data : undefined;
  const detector = new Detector(native, { flavor, switches, classes });
  return source === undefined ? detector : Detector.load(detector, source, classes);
}

/** The defaults of a detector that depend on its data. */
function ofData(name: string, data: unknown): { numClasses: number; switches: DetectorSwitches } {
  assertDataset(data);
  assertDataSuits(name, data.kind);
  return { numClasses: data.numClasses + (hasBackgroundClass(name) ? 1 : 0), switches: dataSwitches(data.kind) };
}

async function sourceOf(weights: string | undefined, backboneWeights: string | undefined,
  options: DetectorSource["options"]): Promise<DetectorSource | undefined> {
  if (weights !== undefined && backboneWeights !== undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      "invalid detector options: expected weights or backboneWeights, received both. Pass `weights` alone, which contain a backbone.");
  }
  const path = weights ?? backboneWeights;
  if (path === undefined) {
    if (options.key === undefined) return undefined;
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid detector options: expected key with weights, received "${options.key}" alone. Pass \`weights\` or \`backboneWeights\`.`);
  }
  const part = weights === undefined ? "body" : "all";
  return { path, part, options, file: await readDetectorFile(path, options.key) };
}

/** Random values never learn behind frozen norms. */
function trainedParts(source: DetectorSource | undefined): DetectorSwitches {
  return source === undefined ? { norm: "batch", trainableLayers: 5 } : { norm: "frozen", trainableLayers: 3 };
}

/** The switches that a file determines. */
function switchesOf(source: DetectorSource | undefined): DetectorSwitches {
  if (source === undefined) return {};
  const { path, part, file: { flavor, switches } } = source;
  if (switches === null) {
    throw new ReviewKdError("FILE_CORRUPT",
      `invalid metadata "${DETECTOR_METADATA.switches}" of ${path}: expected the switches of a detector as JSON, with images of at most 8192 pixels and 4096 channels of the pyramid, received others. Save the detector again, or copy the file by \`readStateDict\` and \`writeStateDict\` without its metadata and pass \`flavor\` and \`detection\`.`);
  }
  return part === "all" ? switches : { ...backboneSwitches(flavor, switches), normEps: switches.normEps };
}
