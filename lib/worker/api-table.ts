// The API as a worker offers it: a row for each class, method and function. Options that are `unknown` here are checked
// by the API itself.
import { z } from "zod";
import type { AnyBatch } from "../api/dataset.js";
import type { ClassifiedImage, Prediction } from "../api/classification/classify.js";
import type { DetectedImage, SkippedImage } from "../api/detection/detect.js";
import type { OnnxProgress } from "../api/onnx/export-onnx.js";
import type { ModelPreprocessing } from "../api/classification/preprocessing.js";
import type { Detections, DetectorOutput } from "../api/detection/detector.js";
import type { DetectorDistillerOutput, DistillerOutput } from "../api/distiller.js";
import type { ModelOutput } from "../api/model.js";
import { typedArray } from "../config/typed-arrays.js";
import { Count, DType, ModelDType, PositiveCount, Shape } from "../config/schemas/common.js";
import { DetectorSwitches, Flavor, Size } from "../config/schemas/detection/detector.js";
import { CocoCategoryScore, CocoStats, Rle, VocCategoryScore,
  VocStats } from "../config/schemas/detection/evaluation.js";
import { DataNotice, LoadProgress, Normalization, Preprocessing } from "../config/schemas/data.js";
import { EpochProgress, EpochSummary, Evaluation } from "../config/schemas/epoch.js";
import { BrokenImage, FitEvent } from "../config/schemas/fit-event.js";
import { StepResult } from "../config/schemas/losses.js";
import { SystemInfo } from "../config/schemas/system.js";
import { Matching, Method, TermKind } from "../config/schemas/method.js";
import { FeatureSpec, ModelInfo } from "../config/schemas/model.js";
import { OnnxFile } from "../config/schemas/onnx.js";
import { PairExplanation } from "../config/schemas/pair.js";
import { FitResult } from "../config/schemas/run-record.js";
import { StepOptions } from "../config/schemas/training.js";
import { TaskInfo } from "../config/schemas/task.js";
import { CategoryIds, DetectorLoadReport, LoadReport, WeightsInspection } from "../config/schemas/weights.js";
import type { StateDict } from "../api/tensor.js";
import type { ApiClasses, ApiFunctions, MaskFunctions } from "./api.js";
import type { ClassRowOf, RowOf, Table } from "./table.js";
import { reference } from "./values.js";

const ref = <Kind extends keyof ApiClasses>(kind: Kind): z.ZodType<ApiClasses[Kind]> => reference(kind);
const [Tensor, Model, Detector, Distiller, Dataset, Split] = [ref("Tensor"), ref("Model"), ref("Detector"),
  ref("Distiller"), ref("Dataset"), ref("DatasetSplit")];

const Options = z.unknown();
const Path = z.string();
const Nothing = z.undefined();
const Metadata = z.record(z.string(), z.string());
const KeepAs = z.strictObject({ keepAs: z.string().optional() }).optional();
const ClassifierBatch = z.strictObject({ images: Tensor, labels: Tensor });
const Targets = z.strictObject({ boxes: Tensor, labels: Tensor, masks: Tensor.optional() });
const DetectionBatch = z.strictObject({ images: z.array(Tensor), targets: z.array(Targets) });
const Batch = z.union([ClassifierBatch, DetectionBatch]) as z.ZodType<AnyBatch>;
const Network = z.union([Model, Detector]);
const Tensors = z.array(Tensor);
const StateDict: z.ZodType<StateDict> = z.record(z.string(), Tensor);
const Target = z.looseObject({ distiller: Distiller.optional(), model: Network.optional() });
const Values = typedArray("Float32Array", "Float64Array", "BigInt64Array", "Uint8Array");
const AnyValues = z.union([
  typedArray("Float32Array", "Float64Array", "BigInt64Array", "Uint8Array", "Int8Array", "Int16Array", "Int32Array"),
  z.array(z.number()),
]);
/** Losses and elements of tensors may be infinite or no numbers. */
const AnyNumber = z.custom<number>((value) => typeof value === "number", { error: "a number" });

const ModelOutput: z.ZodType<ModelOutput> = z.strictObject({
  logits: Tensor,
  features: z.array(z.strictObject({ name: z.string(), before: Tensor, after: Tensor })),
});
const DistillerOutput: z.ZodType<DistillerOutput> = z.strictObject({
  studentLogits: Tensor,
  teacherLogits: Tensor,
  reviewOutputs: z.array(Tensor),
  teacherFeatures: z.array(Tensor),
  perStage: z.array(z.number()),
  terms: z.array(z.strictObject({ kind: TermKind, loss: z.number(), perStage: z.array(z.number()) })),
});

const TENSOR = {
  properties: { shape: Shape, dtype: DType },
  methods: {
    toTypedArray: { args: [], result: Values, transfer: true },
    item: { args: [], result: AnyNumber },
  },
} satisfies ClassRowOf<ApiClasses["Tensor"]>;

const OnnxProgress: z.ZodType<OnnxProgress> = z.strictObject({
  stage: z.enum(["evaluate-float32", "calibrate", "ranges", "evaluate-int8"]),
  done: Count,
  total: Count,
});

const EXPORT = {
  args: [Path, z.looseObject({ calibration: Split.optional(), test: Split.optional() }).optional()],
  signal: true,
  callbacks: { onProgress: OnnxProgress },
  result: OnnxFile,
} as const;

/** Of every network. */
const NETWORK = {
  properties: { name: z.string(), numClasses: PositiveCount, dtype: ModelDType, device: z.enum(["cpu", "cuda"]),
    parameterCount: z.tuple([Count, Count]), task: TaskInfo, untrained: z.boolean() },
  methods: {
    featureSpecs: { args: [z.unknown(), z.unknown()], result: z.array(FeatureSpec) },
    multiplyAdds: { args: [z.unknown(), z.unknown()], result: Count },
    stateDict: { args: [Options], result: StateDict },
    loadStateDict: { args: [StateDict, Options], result: LoadReport },
    save: { args: [Path, z.strictObject({ metadata: Metadata.optional() }).optional()], result: Nothing },
    load: { args: [Path, Options], result: LoadReport },
    evaluate: { args: [Split, Options], signal: true, callbacks: { onProgress: Count }, result: Evaluation },
    exportOnnx: EXPORT,
  },
} as const;

const ImageInput = z.union([Tensor, typedArray("Uint8Array"), Path]);
const Paths = z.union([Path, z.array(Path)]);
const SkippedImage: z.ZodType<SkippedImage> = z.strictObject({ path: Path, reason: z.string() });
const Predictions: z.ZodType<Prediction[]> = z.array(
  z.strictObject({ label: Count, className: z.string(), probability: z.number() }),
);
const ClassifiedImage: z.ZodType<ClassifiedImage> = z.strictObject({ path: Path, predictions: Predictions });
const ModelPreprocessing: z.ZodType<ModelPreprocessing> = Preprocessing.extend({
  assumed: z.array(Preprocessing.keyof()),
});

const MODEL = {
  properties: { ...NETWORK.properties, classNames: z.array(z.string()).readonly().nullable(),
    preprocessing: ModelPreprocessing, loadReport: LoadReport.nullable() },
  // A session moves networks to where it computes, and has them remember what they are trained on.
  live: ["device", "untrained", "classNames", "preprocessing", "loadReport"],
  methods: {
    ...NETWORK.methods,
    save: { args: [Path, Options], result: Nothing },
    exportTransformers: EXPORT,
    forward: { args: [Tensor, Options], result: ModelOutput },
    classify: { args: [z.union([ImageInput, z.array(ImageInput)]), Options], signal: true,
      callbacks: { onProgress: Count }, result: z.union([Predictions, z.array(Predictions)]) },
    classifyAll: { args: [Paths, Options], signal: true, callbacks: { onNotice: DataNotice },
      item: z.union([ClassifiedImage, SkippedImage]), result: Nothing },
  },
} satisfies ClassRowOf<ApiClasses["Model"]>;

const Detections: z.ZodType<Detections> = z.strictObject({ boxes: Tensor, scores: Tensor, labels: Tensor,
  masks: Tensor.optional() }) as z.ZodType<Detections>;
const DetectedImage: z.ZodType<DetectedImage> = z.strictObject({ path: Path, size: Size, detections: Detections });
const DetectorOutput = z.strictObject({ input: Tensor, imageSizes: z.array(Size), levels: Tensors,
  proposals: Tensors.optional(), objectness: Tensor.optional(), rpnDeltas: Tensor.optional(), logits: Tensor.optional(),
  deltas: Tensor.optional() }) as z.ZodType<DetectorOutput>;

const DETECTOR = {
  properties: { ...NETWORK.properties, flavor: Flavor, detection: DetectorSwitches,
    classNames: z.array(z.string()).readonly().nullable(), categoryIds: CategoryIds.nullable(),
    labelNames: z.array(z.string().nullable()).readonly(),
    labelCategoryIds: z.array(z.int().nullable()).readonly().optional(), loadReport: DetectorLoadReport.nullable() },
  live: ["device", "untrained", "classNames", "categoryIds", "labelNames", "labelCategoryIds", "loadReport"],
  methods: {
    ...NETWORK.methods,
    save: { args: [Path, Options], result: Nothing },
    load: { args: [Path, Options], result: DetectorLoadReport },
    detect: { args: [z.union([ImageInput, z.array(ImageInput)]), Options],
      result: z.union([Detections, z.array(Detections)]) },
    detectAll: { args: [Paths, Options], signal: true, callbacks: { onNotice: DataNotice },
      item: z.union([DetectedImage, SkippedImage]), result: Nothing },
    forward: { args: [Tensors, Options], result: DetectorOutput },
  },
} satisfies ClassRowOf<ApiClasses["Detector"]>;

const DetectorDistillerOutput = z.strictObject({ student: DetectorOutput,
  teacher: z.strictObject({ input: Tensor, imageSizes: z.array(Size), levels: Tensors }), reviewOutputs: Tensors,
  teacherFeatures: Tensors, perStage: z.array(z.number()) }) as z.ZodType<DetectorDistillerOutput>;

const DISTILLER = {
  properties: { matching: Matching, method: Method, teacher: Network, student: Network,
    trainingOnlyParameterCount: Count },
  methods: {
    forward: {
      args: [z.union([Tensor, Tensors]), z.strictObject({ labels: Tensor.optional() }).optional()],
      result: z.union([DistillerOutput, DetectorDistillerOutput]),
    },
    stateDict: { args: [Options], result: StateDict },
    loadStateDict: { args: [StateDict, Options], result: LoadReport },
  },
} satisfies ClassRowOf<ApiClasses["Distiller"]>;

const SESSION = {
  properties: { options: StepOptions, model: Network, distiller: Distiller.optional(), task: TaskInfo },
  methods: {
    step: { args: [z.union([Batch, z.array(Batch).min(1)])], result: StepResult },
    trainEpoch: { args: [Dataset, Options], signal: true, callbacks: { onProgress: EpochProgress },
      result: EpochSummary },
    evaluate: { args: [Split, Options], signal: true, callbacks: { onProgress: Count }, result: Evaluation },
    evaluateTeacher: { args: [Split, Options], signal: true, callbacks: { onProgress: Count }, result: Evaluation },
    gradients: { args: [Options], result: StateDict },
    position: { args: [], result: z.strictObject({ epoch: Count, step: Count, steps: Count, totalSteps: Count }) },
    share: { args: [], result: Nothing },
    checkSame: { args: [], result: Nothing },
    setEpoch: { args: [z.unknown()], result: Nothing },
    setLearningRate: { args: [z.unknown()], result: Nothing },
    saveCheckpoint: { args: [Path, Metadata.optional(), KeepAs], result: Nothing, checkpoint: ([path]) => path },
    saveWithinEpoch: {
      args: [Path, Metadata.optional(), KeepAs],
      result: z.boolean(),
      checkpoint: ([path], written) => (written ? path : null),
    },
    loadCheckpoint: { args: [Path, z.strictObject({ otherTeacher: z.boolean().optional() }).optional()],
      result: Metadata },
  },
} satisfies ClassRowOf<ApiClasses["Session"]>;

const DATASET = {
  properties: {
    kind: z.string(),
    numClasses: PositiveCount,
    classNames: z.array(z.string()),
    categoryIds: CategoryIds.nullable(),
    normalization: Normalization,
    preprocessing: Preprocessing.nullable(),
    train: Split,
    test: Split,
    brokenImages: z.array(BrokenImage),
    notices: z.array(DataNotice),
  },
  live: ["brokenImages"],
  methods: {},
} satisfies ClassRowOf<ApiClasses["Dataset"]>;

const DATASET_SPLIT = {
  properties: {
    size: Count,
    imageShape: z.tuple([z.literal(3), PositiveCount, PositiveCount]),
    name: z.enum(["train", "test"]),
    classNames: z.array(z.string()),
  },
  methods: { batches: { args: [Options], item: Batch, result: Nothing } },
} satisfies ClassRowOf<ApiClasses["DatasetSplit"]>;

/** The checkpoint from which a training resumes, as its events report it. */
function checkpointIn(event: FitEvent): string | null {
  if (event.type === "checkpoint" && event.kind === "last") return event.path;
  return event.type === "interrupted" ? event.checkpoint : null;
}

const Masks = z.array(Rle);
const CocoEvaluation = z.strictObject({ stats: CocoStats, perCategory: z.array(CocoCategoryScore), precision: Tensor,
  recall: Tensor, scores: Tensor });
const VocEvaluation = z.strictObject({ stats: VocStats, perCategory: z.array(VocCategoryScore) });

const MASKS = {
  "masks.encode": { args: [Tensor, Options], result: Rle },
  "masks.encodeAll": { args: [Tensor, Options], result: Masks },
  "masks.decode": { args: [Options], result: Tensor },
  "masks.compress": { args: [Options], result: Rle },
  "masks.decompress": { args: [Options], result: Rle },
  "masks.area": { args: [Options], result: Count },
  "masks.toBox": { args: [Options], result: z.tuple([z.number(), z.number(), z.number(), z.number()]) },
  "masks.fromPolygons": { args: [Options, Options, Options], result: Rle },
  "masks.fromBox": { args: [Options, Options, Options], result: Rle },
  "masks.merge": { args: [Options, Options], result: Rle },
  "masks.iou": { args: [Options, Options, Options], result: Tensor },
  "masks.boxIou": { args: [Tensor, Tensor, Options], result: Tensor },
} satisfies { readonly [Name in keyof MaskFunctions]: RowOf<MaskFunctions[Name]> };

const FUNCTIONS = {
  createModel: { args: [z.unknown(), Options], result: Model },
  createDetector: { args: [z.unknown(), z.looseObject({ data: Dataset.optional() }).optional()], result: Detector },
  createDistiller: { args: [z.looseObject({ teacher: Network, student: Network })], result: Distiller },
  createSession: { args: [Target], result: ref("Session") },
  loadDataset: { args: [Options, Options], signal: true, callbacks: { onProgress: LoadProgress }, result: Dataset },
  fit: {
    args: [Target.extend({ data: Dataset })],
    signal: true,
    item: FitEvent,
    result: FitResult,
    checkpoint: (_, event) => checkpointIn(event),
    runDirectory: ([{ runDirectory }]) => runDirectory,
  },
  runExperiment: {
    args: [z.unknown(), Options],
    signal: true,
    item: FitEvent,
    result: FitResult,
    checkpoint: (_, event) => checkpointIn(event),
    runDirectory: ([, options]) => options?.runDirectory,
  },
  explainPair: { args: [Options], signal: true, result: PairExplanation },
  inspectWeights: { args: [Path, Options], result: WeightsInspection },
  exportStudent: { args: [Path, Path.optional(), Options], result: Path },
  loadStudent: { args: [Path, Options], result: Network },
  listModels: { args: [], result: z.array(ModelInfo) },
  systemInfo: { args: [], result: SystemInfo },
  evaluateDetections: { args: [Options], signal: true, result: z.union([CocoEvaluation, VocEvaluation]) },
  ...MASKS,
} satisfies { readonly [Name in keyof ApiFunctions]: RowOf<ApiFunctions[Name]> };

/** A row that a class or function of the API lacks does not compile. */
export const API_TABLE = {
  classes: { Tensor: TENSOR, Model: MODEL, Detector: DETECTOR, Distiller: DISTILLER, Session: SESSION, Dataset: DATASET,
    DatasetSplit: DATASET_SPLIT },
  constructors: {
    Tensor: { args: [AnyValues, Shape, z.strictObject({ dtype: DType.optional() }).optional()], result: Tensor },
  },
  functions: FUNCTIONS,
} satisfies Table;
