import { withSignal } from "../api/abort.js";
import { Tensor } from "../api/tensor.js";
import { DetectionEvaluationOptions, type CocoCategoryScore, type CocoStats, type VocCategoryScore,
  type VocStats } from "../config/schemas/detection/evaluation.js";
import { assertObject, parse } from "../config/validation.js";
import { atCall, isReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { NativeDetectionEvaluation, NativeDetectionScores } from "../native-types.js";
import { AnnotationReader, CategoryReader, DetectionReader, ImageReader, type Known } from "./coco-readers.js";
import { CocoSource } from "./coco-source.js";
import type { CocoDetection, CocoGroundTruth } from "./coco-types.js";
import { InstanceRows } from "./instance-rows.js";
import { Pacer } from "../api/pacer.js";

const WHAT = "the evaluation of detections";

/** The data and options of {@link evaluateDetections}. */
export interface EvaluateDetectionsOptions {
  /** Annotations in COCO's format, or the path of their JSON file. */
  readonly groundTruth: CocoGroundTruth | string;
  /** Results in COCO's format, or the path of their JSON file. May be empty. */
  readonly detections: readonly CocoDetection[] | string;
  /** Whether boxes or masks are compared. */
  readonly kind: "bbox" | "segm";
  /** Default: `"coco"`. */
  readonly metric?: "coco" | "voc2007" | "voc2010" | undefined;
  /** Counts detections of the annotation with id 0 as wrong, as pycocotools does by mistake. Default: false. */
  readonly idZeroAsReference?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The result of an evaluation by COCO's rules. */
export interface CocoEvaluation {
  readonly stats: CocoStats;
  /** By rising id. */
  readonly perCategory: CocoCategoryScore[];
  /** Float64 `[10 overlaps, 101 recalls, categories, 4 sizes, 3 numbers of detections]`; -1 where no truth counts. */
  readonly precision: Tensor;
  /** Float64 `[10, categories, 4, 3]`. */
  readonly recall: Tensor;
  /** The scores at which the precisions were read, in their shape. */
  readonly scores: Tensor;
}

/** The result of an evaluation by Pascal VOC's rules. */
export interface VocEvaluation {
  readonly stats: VocStats;
  /** By rising id. */
  readonly perCategory: VocCategoryScore[];
}

/**
 * Compares detected boxes or masks with annotated ones: COCO's twelve numbers, equal to pycocotools', or Pascal VOC's
 * average precision (`metric`). Data are read in short pieces and the rest runs on native threads; the result does not
 * depend on their number.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` with the place of the wrong value; for files `FILE_NOT_FOUND`,
 * `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`; `ABORTED` after the signal was aborted.
 * @see https://cocodataset.org/#detection-eval
 * @example
 * ```ts
 * const { stats } = await evaluateDetections({ groundTruth: "instances_val2017.json", detections, kind: "bbox" });
 * console.log(stats.ap, stats.ap50);
 * ```
 */
export async function evaluateDetections(
  options: EvaluateDetectionsOptions & { readonly metric: "voc2007" | "voc2010" },
): Promise<VocEvaluation>;
export async function evaluateDetections(
  options: EvaluateDetectionsOptions & { readonly metric?: "coco" | undefined },
): Promise<CocoEvaluation>;
export async function evaluateDetections(options: EvaluateDetectionsOptions): Promise<CocoEvaluation | VocEvaluation>;
export async function evaluateDetections(input: EvaluateDetectionsOptions): Promise<CocoEvaluation | VocEvaluation> {
  return atCall(compare(input));
}

async function compare(input: EvaluateDetectionsOptions): Promise<CocoEvaluation | VocEvaluation> {
  assertObject(input, "evaluation options");
  const { groundTruth, detections, signal, ...rest } = input;
  const options = parse(DetectionEvaluationOptions, rest, "evaluation options");
  const sources = { truths: new CocoSource(groundTruth, "groundTruth"),
    detections: new CocoSource(detections, "detections") };
  const pacer = new Pacer(signal, WHAT);
  const categories = new CategoryReader(sources.truths);
  const images = new ImageReader(sources.truths, options.kind);
  await sources.truths.read({ images: images.visit, categories: categories.visit }, pacer);

  const ids = categories.sortedIds();
  const native = addon().newDetectionEvaluation({ kind: options.kind, metric: options.metric, categories: ids.length });
  try {
    images.addTo(native);
    const known = { images, categories: new Map(ids.map((id, index) => [id, index])), options };
    await readInstances(native, sources, known, pacer);
    return toEvaluation(await withSignal({ signal, what: WHAT }, (stop) => native.compute(stop)), ids);
  } catch (error) {
    throw located(error, sources);
  } finally {
    native.dispose();
  }
}

interface Sources {
  readonly truths: CocoSource;
  readonly detections: CocoSource;
}

/** Fills an evaluation. */
async function readInstances(native: NativeDetectionEvaluation, sources: Sources, known: Known,
  pacer: Pacer): Promise<void> {
  const truths = new InstanceRows(native, sources.truths, "annotations");
  const annotations = new AnnotationReader(sources.truths, known, truths);
  await sources.truths.read({ annotations: annotations.visit }, pacer);
  truths.flush();
  const found = new InstanceRows(native, sources.detections, "detections");
  await sources.detections.readList(new DetectionReader(sources.detections, known, found).visit, pacer);
  found.flush();
}

/** An error that native code found in a list, with the list's file. */
function located(error: unknown, sources: Sources): unknown {
  if (!isReviewKdError(error) || error.code !== "INVALID_ARGUMENT") return error;
  const [, list] = /^invalid (?:size of )?(annotations|detections)\[/.exec(error.message) ?? [];
  return list === undefined ? error : sources[list === "annotations" ? "truths" : "detections"].located(error);
}

function toEvaluation({ stats, perCategory, precision, recall, scores }: NativeDetectionScores, ids: readonly number[]):
  | CocoEvaluation
  | VocEvaluation {
  const result = { stats, perCategory: perCategory.map((score, index) => ({ id: ids[index], ...score })) };
  if (precision === undefined || recall === undefined || scores === undefined) return result as VocEvaluation;
  return { ...result as Pick<CocoEvaluation, "stats" | "perCategory">, precision: Tensor.wrap(precision),
    recall: Tensor.wrap(recall), scores: Tensor.wrap(scores) };
}
