import { withSignal } from "./abort.js";
import { createDetector } from "./detection/create-detector.js";
import { Detector } from "./detection/detector.js";
import { createDistiller, type AnyDistiller } from "./distiller.js";
import { atCall, isReviewKdError, ReviewKdError } from "../errors.js";
import { createModel, listModels, type Model } from "./model.js";
import { areDetectors, networkInfo } from "./network.js";
import { hasBackgroundClass, isDetectorName } from "../config/detector-defaults.js";
import { NETWORK_ALIASES } from "../config/name-aliases.js";
import { findByName } from "../config/nearest-name.js";
import type { FeatureSpec } from "../config/schemas/model.js";
import { PairOptions, type PairExplanation, type PairOptionsInput } from "../config/schemas/pair.js";
import { assertObject, parse } from "../config/validation.js";
import type { NativeNetworkCost } from "../native-types.js";

/** The pair, image size and batch size to measure, and a signal that stops the measurement. */
export interface ExplainPairOptions extends PairOptionsInput {
  /** Stops the measurement. */
  readonly signal?: AbortSignal | undefined;
}

/** Image size, classes and batch size of detectors by default, and the least of batches. */
const DETECTOR_DEFAULTS = { imageSize: [800, 800], numClasses: 91, batchSize: 2, leastBatch: 1 } as const;

/** As detectors are trained with weights of their backbone, on images that are not resized any more. */
const DETECTION = { norm: "frozen", trainableLayers: 3, minSize: null } as const;

/**
 * Explains what review does with a pair of networks before they are trained: the matched stages and the cost in
 * parameters, arithmetic and memory. Measures the networks on random input on the CPU: takes a few seconds, longer for
 * ImageNet, and up to a minute or two for detectors.
 *
 * @throws ReviewKdError `UNKNOWN_NAME` (with the list of names), `INVALID_ARGUMENT` (also for a classifier with a
 * detector), `SHAPE_MISMATCH` if a network does not support the image size, `BATCH_TOO_SMALL`, `ABORTED` after the
 * signal was aborted.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), figure 2 (d).
 * @example
 * ```ts
 * const { stages, trainingOnly, memory } = await explainPair({ teacher: "resnet56", student: "resnet20", batchSize: 128
 * });
 * const pair = { teacher: "faster-rcnn-resnet101-fpn", student: "faster-rcnn-resnet18-fpn" };
 * const { teacher } = await explainPair({ ...pair, imageSize: [800, 1216], batchSize: 8 });
 * ```
 */
export async function explainPair(options: ExplainPairOptions): Promise<PairExplanation> {
  assertObject(options, "pair options");
  return atCall(measurePair(options));
}

async function measurePair({ signal, ...options }: ExplainPairOptions): Promise<PairExplanation> {
  const pair = parse(PairOptions, options, "pair options");
  const { fusion, midChannels, numClasses, imageSize, batchSize } = withDefaults(pair);
  const create = (name: string): Promise<Model | Detector> =>
    isDetectorName(name) ? createDetector(name, { numClasses, detection: DETECTION })
      : createModel(name, { numClasses });

  using teacher = await create(pair.teacher);
  using student = await create(pair.student);
  // No warm-up, so that the very first steps run the full method.
  const method = { kind: "review" as const, warmupEpochs: 0, fusion,
    ...(midChannels === undefined ? {} : { midChannels }) };
  using distiller = await createDistiller<Model | Detector>({ teacher, student, method });
  const parameters = await parametersByStage(distiller);
  const cost = await withSignal({ signal, what: "the explanation" },
    (stop) => distiller.native.measure(imageSize[0], imageSize[1], batchSize, stop)).catch((error: unknown) => {
      throw explainSmallBatch(error, imageSize, batchSize);
    });

  const specs = { teacher: teacher.featureSpecs(...cost.inputSize), student: student.featureSpecs(...cost.inputSize) };
  const stages = distiller.matching.stages.map((names, index) => {
    const ofStudent = present(specs.student.find(({ name }) => name === names.student), names.student);
    const ofTeacher = present(specs.teacher.find(({ name }) => name === names.teacher), names.teacher);
    const resized = ofStudent.height !== ofTeacher.height || ofStudent.width !== ofTeacher.width;
    return { student: ofStudent, teacher: ofTeacher, resized,
      parameters: present(parameters[index], `fusion ${index}`) };
  });
  const unmatched = (role: "teacher" | "student"): FeatureSpec[] =>
    specs[role].filter(({ name }) => !distiller.matching.stages.some((stage) => stage[role] === name));
  return {
    imageSize,
    inputSize: cost.inputSize,
    numClasses,
    batchSize,
    teacher: networkCost(teacher, cost.teacher),
    student: networkCost(student, cost.student),
    trainingOnly: { parameters: distiller.trainingOnlyParameterCount(), multiplyAdds: cost.trainingOnlyMultiplyAdds },
    stages,
    unmatched: { teacher: unmatched("teacher"), student: unmatched("student") },
    memory: {
      state: cost.stateBytes,
      momentumBuffers: cost.momentumBytes,
      step: cost.stepBytes,
      tensors: cost.stateBytes + cost.momentumBytes + cost.stepBytes,
      process: cost.mappedBytes,
      measuredBatches: cost.measuredBatches,
    },
  };
}

/** The options with the defaults of this pair. */
function withDefaults(pair: PairOptions) {
  for (const role of ["teacher", "student"] as const) networkInfo(pair[role], role);
  const { leastBatch, ...defaults } = areDetectors(pair.teacher, pair.student) ? DETECTOR_DEFAULTS
    : publishedDefaults(pair.student);
  const { imageSize = [...defaults.imageSize], numClasses = defaults.numClasses, batchSize = defaults.batchSize } =
    pair;
  if (batchSize < leastBatch) throw tooFew("batchSize", leastBatch, "for classifiers", batchSize);
  if (numClasses < 2 && isDetectorName(pair.student) && hasBackgroundClass(pair.student))
    throw tooFew("numClasses", 2, `for ${pair.student}, whose class 0 is the background`, numClasses);
  return { ...pair, imageSize, numClasses, batchSize };
}

/** The advice of a training, to drop a last batch, is none for a measurement. */
function explainSmallBatch(error: unknown, [height, width]: readonly number[], batchSize: number): unknown {
  if (!isReviewKdError(error) || error.code !== "BATCH_TOO_SMALL") return error;
  return new ReviewKdError("BATCH_TOO_SMALL",
    `invalid batchSize in pair options: expected at least 2 for images of ${height}×${width}, received ${batchSize}: the smallest map of the pair has a single value per image, over which batch normalization is undefined. Pass batchSize 2 or more, or a larger imageSize (on the command line --batch-size or --image-size).`,
    { cause: error });
}

function tooFew(option: string, least: number, reason: string, received: number): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${option} in pair options: expected a whole number ≥ ${least} ${reason}, received ${received}.`);
}

function publishedDefaults(name: string) {
  const { imageSize, numClasses } = findByName(listModels(), name, { role: "student", aliases: NETWORK_ALIASES });
  return { imageSize, numClasses, batchSize: 128, leastBatch: 2 };
}

function networkCost(network: Model | Detector,
  { multiplyAdds, pyramidMultiplyAdds, pyramidParameters }: NativeNetworkCost): PairExplanation["teacher"] {
  const { name } = network;
  const whole = { name, parameters: network.parameterCount(), multiplyAdds };
  if (!(network instanceof Detector)) return { ...whole, pyramid: null, regions: null };
  const { rpnPostNmsTopNTest: proposals, boxDetectionsPerImg = 0 } = network.detection;
  return {
    ...whole,
    pyramid: { parameters: pyramidParameters, multiplyAdds: pyramidMultiplyAdds },
    regions: proposals === undefined ? null
      : { proposals, masks: name.startsWith("mask-rcnn-") ? Math.min(proposals, boxDetectionsPerImg) : 0 },
  };
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new ReviewKdError("INTERNAL", `missing ${what} in this pair.`);
  return value;
}

/** Trainable parameters of each fusion module, shallow to deep; `abfs.0` is the deepest. */
async function parametersByStage(distiller: AnyDistiller): Promise<number[]> {
  const counts: number[] = [];
  for (const [name, tensor] of Object.entries(await distiller.stateDict())) {
    const depth = /^abfs\.(\d+)\.(?!.*(running_mean|running_var|num_batches_tracked)$)/.exec(name)?.[1];
    if (depth !== undefined)
      counts[Number(depth)] = (counts[Number(depth)] ?? 0) + tensor.shape.reduce((a, b) => a * b, 1);
    tensor.dispose();
  }
  return counts.reverse();
}
