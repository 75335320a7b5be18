// The description that a weights file gives of its detector: by its metadata, or else by its names and shapes.
import { isPublishedWithoutEps } from "../../config/published-detectors.js";
import { LARGEST_RECORDED_SIDE } from "../../config/schemas/data.js";
import { DetectorSwitches, Flavor, ownSwitches, stagesOf, switchOf } from "../../config/schemas/detection/detector.js";
import { CategoryIds, type DetectorFileInfo, DetectorKind } from "../../config/schemas/weights.js";
import { weightsFiles } from "../../config/weights-path.js";
import { ReviewKdError } from "../../errors.js";
import { addon } from "../../native.js";
import type { NativeWeightsInfo } from "../../native-types.js";
import { CATEGORY_IDS_KEY, classNamesIn, storedIn } from "../metadata.js";

/** Metadata keys of detectors: their flavor, their other switches and category ids, the latter as JSON. */
export const DETECTOR_METADATA = { flavor: "flavor", switches: "detection", categoryIds: CATEGORY_IDS_KEY } as const;

/** The description of a detector or of a backbone in a file. */
export type DetectorFile = Omit<DetectorFileInfo, "kind"> & {
  /** `null` for a network without heads. */
  readonly kind: DetectorFileInfo["kind"] | null;
  /** Whether the metadata says so, or names that only detectron2 uses; torchvision's names prove nothing. */
  readonly isFlavorKnown: boolean;
  readonly classNames: readonly string[] | null;
  /** The name of the detector that was saved, if the metadata have one. */
  readonly detector: string | null;
};

/** Upper bound of the numbers of levels, sizes and ratios that a file can demand. */
const MOST_ANCHORS = 32;

/** Switches in metadata. */
const StoredSwitches = DetectorSwitches
  .refine(({ minSize, maxSize }) => Math.max(minSize ?? 0, maxSize ?? 0) <= LARGEST_RECORDED_SIDE)
  .refine(({ anchorSizes = [], anchorRatios = [] }) =>
    [anchorSizes, anchorRatios, ...anchorSizes].every(({ length }) => length <= MOST_ANCHORS)
  );

/**
 * Reads the description of a detector from a file.
 *
 * @throws ReviewKdError as `readWeightsInfo`.
 */
export async function readDetectorFile(path: string, key: string | undefined): Promise<DetectorFile> {
  const info = await addon().readWeightsInfo(await weightsFiles(path), { key });
  const described = await describe(path, info);
  return { ...described, isFlavorKnown: described.flavor === "detectron2" || DETECTOR_METADATA.flavor in info.metadata,
    classNames: classNamesIn(info.metadata), detector: savedDetector(info.metadata["model"]) };
}

function savedDetector(name: string | undefined): string | null {
  return name !== undefined && addon().listDetectors().includes(name) ? name : null;
}

/** The same of a description that was read; `null` unless its names are those of a detector. */
export async function detectorInfoOf(path: string, info: NativeWeightsInfo): Promise<DetectorFileInfo | null> {
  const { kind } = info.detector;
  return kind === null ? null : { ...await describe(path, info), kind };
}

async function describe(path: string,
  { metadata, detector }: NativeWeightsInfo): Promise<Omit<DetectorFile, "isFlavorKnown" | "classNames" | "detector">> {
  const { names, kind, numClasses, p6Source, pyramidChannels } = detector;
  const stored = Flavor.safeParse(metadata[DETECTOR_METADATA.flavor]).data;
  const text = metadata[DETECTOR_METADATA.switches];
  // detectron2's own conversions of torchvision's backbones say so.
  const isConverted = kind === null && metadata["__author__"] === "torchvision";
  return {
    kind,
    names,
    flavor: stored ?? (names === "detectron2" && !isConverted ? "detectron2" : "torchvision"),
    switches: stored !== undefined && text !== undefined
      ? storedIn(StoredSwitches, text)
      : {
        ...(p6Source === null ? {} : { p6Source }),
        ...(pyramidChannels === null || pyramidChannels === switchOf("torchvision", "pyramidChannels") ? {}
          : { pyramidChannels }),
        ...(names === "torchvision-old" && await isPublishedWithoutEps(path) ? { normEps: 0 } : {}),
      },
    numClasses,
    categoryIds: storedIn(CategoryIds, metadata[DETECTOR_METADATA.categoryIds]),
  };
}

/** The metadata by which a file of a detector's weights creates an equal one. */
export function detectorMetadata({ name, numClasses, flavor, detection }: Receiver): Record<string, string> {
  return { model: name, numClasses: String(numClasses), [DETECTOR_METADATA.flavor]: flavor,
    [DETECTOR_METADATA.switches]: JSON.stringify(ownSwitches(stagesOf(name), flavor, detection)) };
}

/** A detector as far as a file must agree with it. */
interface Receiver {
  readonly name: string;
  readonly numClasses: number;
  readonly flavor: Flavor;
  readonly detection: DetectorSwitches;
}

/**
 * Refuses weights that would give other results in an existing detector than in their own.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` for another flavor or epsilon; `STATE_DICT_MISMATCH` for other classes, if
 * `strict`.
 */
export function assertLoadable(path: string, file: DetectorFile, receiver: Receiver, strict: boolean): void {
  assertSameDetector(path, file, receiver, strict);
  const { detection } = receiver;
  if (detection.norm === "frozen" && file.switches?.normEps === 0 && detection.normEps !== 0) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid normEps: expected 0 as for ${path}, received ${detection.normEps}. Create the detector with its \`weights\`, or with \`detection: { normEps: 0 }\`.`);
  }
}

/**
 * Refuses weights of another detector: of another flavor, which names do not show later on, and if `strict`, of another
 * kind or number of classes.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`, `STATE_DICT_MISMATCH`.
 */
export function assertSameDetector(path: string, file: DetectorFile,
  { name, numClasses, flavor }: Omit<Receiver, "detection">, strict: boolean): void {
  if (file.isFlavorKnown && file.flavor !== flavor) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid flavor: expected "${file.flavor}" as that of the weights ${path}, received "${flavor}". Without \`flavor\` a detector is created with that of its \`weights\`; switches of \`detection\` change it in parts.`);
  }
  if (!strict) return;
  const kind = DetectorKind.options.find((option) => name.startsWith(`${option}-`));
  if (kind !== undefined && file.kind !== kind) {
    const received = file.kind === null ? "a network without a detector's heads" : `a ${file.kind}`;
    throw new ReviewKdError("STATE_DICT_MISMATCH",
      `invalid weights: expected a ${kind} as ${name}, received ${received} in ${path}. Pass the weights of a detector, or train one on these: \`backboneWeights\` (--backbone-weights of train) takes the backbone of any file.`);
  }
  if (kind !== undefined && file.detector !== null && file.detector !== name) {
    throw new ReviewKdError("STATE_DICT_MISMATCH",
      `invalid weights: expected those of ${name}, received those of ${file.detector} in ${path}. Create a ${file.detector}, or pass other weights.`);
  }
  if (file.numClasses !== null && file.numClasses !== numClasses) {
    throw new ReviewKdError("STATE_DICT_MISMATCH",
      `invalid numClasses: expected ${file.numClasses} as in ${path}, received ${numClasses}. Without \`numClasses\` a detector is created with the file's; \`strict: false\` loads all but the class layers.`);
  }
}
