// The addon as TypeScript sees it: its functions and objects. `native/binding` defines them.
import type { atCall, ErrorCode, ReviewKdError } from "./errors.js";
import type { DType } from "./config/schemas/common.js";
import type { BatchOptions, Normalization } from "./config/schemas/data.js";
import type { CocoCategoryScore, CocoStats, VocCategoryScore,
  VocStats } from "./config/schemas/detection/evaluation.js";
import type { ClassScore, EpochSummary, Evaluation } from "./config/schemas/epoch.js";
import type { StepResult } from "./config/schemas/losses.js";
import type { Matching, TermKind } from "./config/schemas/method.js";
import type { FeatureSpec, ModelInfo } from "./config/schemas/model.js";
import type { OnnxFile } from "./config/schemas/onnx.js";
import type { TaskInfo } from "./config/schemas/task.js";
import type { ArchitectureMatch, DetectorKind, FileNames, LoadReport, WeightsChoice,
  WeightsInfo } from "./config/schemas/weights.js";
import type { SystemInfo } from "./config/schemas/system.js";

/** Arrays that tensors are created from. */
export type TensorValues = TypedArray | Int8Array | Int16Array | Int32Array;

/** Arrays that tensors are copied to. */
export type TypedArray = Float32Array | Float64Array | BigInt64Array | Uint8Array;

interface Disposable {
  dispose(): void;
}

export interface NativeTensor extends Disposable {
  shape(): number[];
  dtype(): DType;
  toTypedArray(): TypedArray;
}

/** Whose names a state dict has. */
type StateNames = "torchvision" | "detectron2";

/** Tensors and plain values in any arrangement. */
export type TensorTree = NativeTensor | number | boolean | string | null | undefined | TensorTree[] | {
  [name: string]: TensorTree;
};

export type NativeEntries = [name: string, tensor: NativeTensor][];

type Metadata = Record<string, string>;

export interface NativeStopFlag extends Disposable {
  set(): void;
}

/** The window of a random resized crop in pixels, and whether it is mirrored. */
export interface NativeWindow {
  top: number;
  left: number;
  height: number;
  width: number;
  flip: boolean;
}

export interface NativeBatch {
  readonly images: NativeTensor;
  readonly labels: NativeTensor;
}

/** Images of any sizes with their objects. */
export interface NativeDetectionBatch {
  readonly images: NativeTensor[];
  readonly targets: { boxes: NativeTensor; labels: NativeTensor; masks?: NativeTensor }[];
}

export type AnyNativeBatch = NativeBatch | NativeDetectionBatch;

export interface NativeBatchReader extends Disposable {
  next(): Promise<AnyNativeBatch | undefined>;
}

/** One pass over images: JavaScript puts them in and a native thread takes them out. */
export interface NativeBatchQueue extends NativeBatchReader {
  /**
   * Opens a pass that is read with `next`; training and evaluation open theirs natively. objects: of images with boxes,
   * whether there are masks, and the label of each category; share: of this process among several.
   */
  open(batchSize: number, smallestBatch: number, firstBatch: number,
    objects?: { masks: boolean; labels: readonly number[] },
    share?: { readonly rank: number; readonly size: number }): void;
  /** The first batch of the pass; valid once `room` has resolved. */
  firstBatch(): number;
  put(values: Uint8Array | Float32Array, labels: BigInt64Array, replaced: number): void;
  /** Of queues for detectors. */
  putDecoded(pixels: Uint8Array, height: number, width: number,
    options: { position: number; flip: boolean; shortest: number; isReplacement: boolean }): void;
  /** Resolves to true when images are needed, to false once no more are. */
  room(): Promise<boolean>;
  finish(): void;
  fail(message: string, code: ErrorCode): void;
  cancel(): void;
}

/** An image source that native code trains and evaluates on. */
export type NativeImages = NativeDataset | NativeBatchQueue;

type NativeEvaluate = (
  data: NativeImages,
  split: string,
  options: { batchSize: number; precision: string; fused: boolean; threads?: number | undefined },
  stop: NativeStopFlag,
  onProgress: (done: number) => void,
) => Promise<Omit<Evaluation, "perClass"> & { perClass: Omit<ClassScore, "name">[] }>;

/** A file, or the index of shards and these. */
export type NativeWeightsPath = string | readonly [index: string, ...shards: string[]];

/** `names`: of each entry of the file in the network, or `null`; empty if all are as stored. */
export type NativeMatch = ArchitectureMatch & { readonly names: readonly (string | null)[] };

/** A file by the names and shapes of its entries. */
export type NativeWeightsInfo = Omit<WeightsInfo, "classNames" | "preprocessing" | "detector"> & {
  readonly detector: {
    readonly names: FileNames;
    /** `null` without heads. */
    readonly kind: DetectorKind | null;
    readonly numClasses: number | null;
    readonly p6Source: "p5" | "c5" | null;
    /** `null` without a pyramid. */
    readonly pyramidChannels: number | null;
  };
};

export interface NativeModel extends Disposable {
  describe(): { name: string; numClasses: number; parameters: number; trainableParameters: number;
    dtype: "float64" | "float32"; device: "cpu" | "cuda"; untrained: boolean;
    /** Of classifiers: that of the published results. */
    imageSize?: [height: number, width: number] };
  featureSpecs(height: number, width: number): FeatureSpec[];
  forward(
    images: NativeTensor,
    options: { mode: string; features: boolean },
  ): Promise<{ logits: NativeTensor; features: { name: string; before: NativeTensor; after: NativeTensor }[] }>;
  stateDict(names?: StateNames): Promise<NativeEntries>;
  loadStateDict(entries: NativeEntries, strict: boolean, names?: StateNames): Promise<LoadReport>;
  save(path: string, metadata: Metadata, names?: StateNames): Promise<void>;
  load(path: NativeWeightsPath, strict: boolean, key: string): Promise<LoadReport>;
  evaluate: NativeEvaluate;
  /**
   * Of classifiers: the probabilities `[N, classes]` of images of one size: bytes `[H, W, 3]`, or values from 0 to 1,
   * `[3, H, W]` or `[K, 3, H, W]`.
   */
  classify(images: TensorTree, normalization: Normalization): Promise<NativeTensor>;
  task(): TaskInfo;
  /** Multiply-adds of one image of this size. `memory`: bytes that it may take. */
  cost(height: number, width: number, memory: number): Promise<number>;
  traceOnnx(options: { height: number; width: number; dtype: string; memory: number }): Promise<NativeOnnxGraph>;
  /** Of detectors alone, as all below. */
  loadDetector(path: NativeWeightsPath,
    options: { strict: boolean; key?: string | undefined; part: "all" | "body" }
  ): Promise<
    LoadReport & { unused: string[] }
  >;
  detect(images: TensorTree,
    options: { maskThreshold?: number | undefined; scoreThreshold: number; labels?: readonly number[] | undefined;
      threads?: number | undefined }): Promise<TensorTree>;
  forwardImages(images: TensorTree, options: { mode: string }): Promise<TensorTree>;
}

/** A network as an ONNX graph, for images of one size and for any number of them. */
export interface NativeOnnxGraph extends Disposable {
  /** Of classifiers; images: normalized, `[N, 3, H, W]` each. Reports how many of them are done. */
  quantize(images: readonly NativeTensor[], stop: NativeStopFlag, onProgress: (done: number) => void): Promise<void>;
  evaluate: NativeEvaluate;
  write(path: string, options: { normalization?: Normalization | undefined; opset: number; version: string },
    metadata: Metadata): Promise<Pick<OnnxFile, "bytes" | "operators" | "inputs" | "outputs">>;
}

/** Multiply-adds of one image's forward pass; of detectors also of the backbone with the pyramid, otherwise 0. */
export interface NativeNetworkCost {
  multiplyAdds: number;
  pyramidMultiplyAdds: number;
  pyramidParameters: number;
}

/** Costs of networks and methods, and bytes used during a training step. */
interface NativePairCost {
  /** Height and width of the batch, with padding. */
  inputSize: [height: number, width: number];
  teacher: NativeNetworkCost;
  student: NativeNetworkCost;
  trainingOnlyMultiplyAdds: number;
  stateBytes: number;
  momentumBytes: number;
  stepBytes: number;
  mappedBytes: number;
  measuredBatches: number[];
}

export interface NativeDistiller extends Disposable {
  parameters(): number;
  matching(): Matching;
  measure(height: number, width: number, batchSize: number, stop: NativeStopFlag): Promise<NativePairCost>;
  /** Of detectors alone. */
  forwardImages(images: TensorTree): Promise<TensorTree>;
  forward(images: NativeTensor, labels: NativeTensor | undefined): Promise<{
    studentLogits: NativeTensor;
    teacherLogits: NativeTensor;
    reviewOutputs: NativeTensor[];
    teacherFeatures: NativeTensor[];
    terms: { kind: TermKind; loss: number; perStage: number[] }[];
  }>;
  stateDict(names?: StateNames): Promise<NativeEntries>;
  loadStateDict(entries: NativeEntries, strict: boolean, names?: StateNames): Promise<LoadReport>;
}

interface NativeSplitInfo {
  size: number;
  height: number;
  width: number;
}

export interface NativeDataset extends Disposable {
  describe(): {
    kind: string;
    numClasses: number;
    classNames: string[];
    normalization: Normalization;
    train: NativeSplitInfo;
    test: NativeSplitInfo;
  };
  /** Of all images and labels of a split. */
  checksum(split: string): Promise<string>;
  batches(split: string,
    options: Required<Omit<BatchOptions, "share">> & Pick<BatchOptions, "share">): NativeBatchReader;
}

/** One of the processes of a group. */
export interface NativeMember {
  readonly rank: number;
  readonly host: string;
  readonly processId: number;
}

/** The processes that train together. */
export interface NativeProcessGroup extends Disposable {
  members(): NativeMember[];
  /** The texts of all processes, in the order of their ranks. */
  exchange(text: string): Promise<string[]>;
  /** Ends the work of all processes with an error of this one, unless there is one already. */
  reportError(code: string, message: string): Promise<void>;
  leave(): Promise<void>;
}

export interface NativeSession extends Disposable {
  task(): TaskInfo;
  step(batches: TensorTree[]): Promise<StepResult>;
  trainEpoch(
    data: NativeImages,
    options: object,
    stop: NativeStopFlag,
    onProgress: (state: EpochSummary) => void,
  ): Promise<EpochSummary>;
  evaluate: NativeEvaluate;
  evaluateTeacher: NativeEvaluate;
  gradients(names?: StateNames): Promise<NativeEntries>;
  /** Gives all processes the state of the first one. */
  share(): Promise<void>;
  /** Checks that all processes have the same state. */
  checkSame(): Promise<void>;
  position(): Promise<{ epoch: number; step: number; steps: number; totalSteps: number }>;
  configure(options: { epoch?: number; learningRate?: number }): Promise<void>;
  save(path: string, metadata: Metadata, keepAs: string): Promise<void>;
  /** Saves between two steps of the running epoch; false if none is running. */
  saveWithinEpoch(path: string, metadata: Metadata, keepAs: string): Promise<boolean>;
  load(path: string, otherTeacher: boolean): Promise<Metadata>;
}

/** A mask: COCO's string of its runs, or their lengths. */
export interface NativeMask {
  height: number;
  width: number;
  counts: string | Float64Array;
}

/** Rows of truths or detections, column by column; see native/core/tasks/detection/instance_table.h. */
export interface NativeInstanceRows {
  areTruths: boolean;
  first: number;
  image: Uint32Array;
  category: Uint32Array;
  flags: Uint8Array;
  values: Float64Array;
  forms: Uint8Array;
  sizes: Float64Array;
  numberEnds: Uint32Array;
  textEnds: Uint32Array;
  numbers: Float64Array;
  text: string;
}

/** The result of an evaluation of detections: categories in the order of their positions, tensors for COCO alone. */
export interface NativeDetectionScores {
  stats: CocoStats | VocStats;
  perCategory: (Omit<CocoCategoryScore, "id"> | Omit<VocCategoryScore, "id">)[];
  precision?: NativeTensor;
  recall?: NativeTensor;
  scores?: NativeTensor;
}

export interface NativeDetectionEvaluation extends Disposable {
  addImages(ids: Float64Array, sizes: Float64Array): void;
  /** Copies the rows. */
  addRows(rows: NativeInstanceRows): void;
  /** Empties the evaluation. */
  compute(stop: NativeStopFlag): Promise<NativeDetectionScores>;
}

/** A lock that is held until it is disposed or the process ends. */
export interface NativeFileLock extends Disposable {
  /** False if the file system has no locks. */
  supported(): boolean;
  /** Whether the path still names the locked file. */
  intact(): boolean;
  /** Replaces the content of the file, which is deleted when the lock is released. */
  write(text: string): void;
}

export interface Addon {
  /** The class of errors, and the function that each promise of native work passes through. */
  setErrorClass(errorClass: typeof ReviewKdError, follow?: typeof atCall): void;
  shutDown(exitCode: number | undefined): void;
  /** Registers a CUDA plugin that is loaded before the first use of a CUDA device. */
  offerCudaPlugin(path: string): void;
  systemInfo(): Promise<Pick<SystemInfo, "libtorch" | "cuda" | "threads" | "threadsFrom"> & { capability: string }>;
  /** Processors that this process may use, by affinity and quota. */
  availableProcessors(): number;
  listModels(): ModelInfo[];
  /** Of each network, the height and width of the images in its published results; builds none of them. */
  listImageSizes(): Record<string, ModelInfo["imageSize"]>;
  listDetectors(): string[];
  /** Of a detector that is not built: its task and the names of its levels, shallow to deep. */
  detectorInfo(name: string): { task: TaskInfo; levels: string[] };
  listTasks(): TaskInfo[];
  tensorFrom(values: TensorValues, shape: readonly number[], dtype: DType): NativeTensor;
  newStopFlag(): NativeStopFlag;
  createModel(options: object): Promise<NativeModel>;
  readWeightsInfo(path: NativeWeightsPath, options: WeightsChoice): Promise<NativeWeightsInfo>;
  matchWeights(path: NativeWeightsPath,
    options: WeightsChoice & { detection?: object | undefined }): Promise<NativeMatch | null>;
  readStateDict(path: NativeWeightsPath,
    options: WeightsChoice): Promise<{ entries: NativeEntries; metadata: Metadata }>;
  writeStateDict(path: string, entries: NativeEntries, metadata: Metadata): Promise<void>;
  convertWeights(from: NativeWeightsPath, to: string, options: WeightsChoice & { dtype?: string | undefined },
    metadata: Metadata): Promise<number>;
  loadDataset(source: object): Promise<NativeDataset>;
  newBatchQueue(options: object): NativeBatchQueue;
  newDetectionQueue(options: object, truths: NativeDetectionEvaluation): NativeBatchQueue;
  dataOrder(size: number, seed: number, epoch: number, shuffle: boolean): Promise<Uint32Array>;
  randomResizedCrop(seed: number, epoch: number, index: number, height: number, width: number,
    options: { readonly scale: readonly [number, number]; readonly ratio: readonly [number, number] }): NativeWindow;
  createDistiller(teacher: NativeModel, student: NativeModel, method: object, seed: number): Promise<NativeDistiller>;
  createSession(target: NativeDistiller | NativeModel, options: object,
    peers?: { group: NativeProcessGroup; name: string; localRank: number }): Promise<NativeSession>;
  joinProcessGroup(options: object, stop: NativeStopFlag): Promise<NativeProcessGroup>;
  /** Backends of c10d that this process can use. */
  processGroupBackends(): Promise<string[]>;
  /** Undefined if another owner holds the lock. */
  lockFile(path: string): Promise<NativeFileLock | undefined>;
  createDetector(options: object): Promise<NativeModel>;
  /** Runs a function of the native table; see lib/api/functional. */
  callFunction(name: string, inputs: TensorTree, options: object): Promise<TensorTree>;
  hierarchicalContextLoss(student: NativeTensor,
    teacher: NativeTensor): Promise<{ loss: number; gradient: NativeTensor }>;
  encodeMask(pixels: NativeTensor, compressed: boolean): Promise<NativeMask>;
  /** Pixels `[N, height, width]`. */
  encodeMasks(pixels: NativeTensor, compressed: boolean): Promise<NativeMask[]>;
  decodeMask(mask: NativeMask): Promise<NativeTensor>;
  convertMask(mask: NativeMask, compressed: boolean): Promise<NativeMask>;
  maskArea(mask: NativeMask): Promise<number>;
  maskBox(mask: NativeMask): Promise<[number, number, number, number]>;
  maskFromPolygons(numbers: Float64Array, height: number, width: number): Promise<NativeMask>;
  maskFromBox(box: Float64Array, height: number, width: number): Promise<NativeMask>;
  mergeMasks(masks: NativeMask[], intersect: boolean): Promise<NativeMask>;
  maskOverlaps(detections: NativeMask[], truths: NativeMask[], isCrowd: Uint8Array): Promise<NativeTensor>;
  boxOverlaps(detections: NativeTensor, truths: NativeTensor, isCrowd: Uint8Array): Promise<NativeTensor>;
  newDetectionEvaluation(options: object): NativeDetectionEvaluation;
}
