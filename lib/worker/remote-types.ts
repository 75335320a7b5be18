// The types of the API as a caller of a worker uses it, derived from the API's own.
import type { AnyBatch, Dataset, DatasetSplit } from "../api/dataset.js";
import type { ClassifiedImage, ClassifyAllOptions, ClassifyOptions,
  Prediction } from "../api/classification/classify.js";
import type { DetectAllOptions, DetectedImage, DetectOptions, ImageInput,
  SkippedImage } from "../api/detection/detect.js";
import type { Detections } from "../api/detection/detector.js";
import type { ApiClasses, ApiFunctions, Masks } from "./api.js";
import type { Constant, Internal } from "./table.js";

/** A value of the API as it is with a worker: objects are in the worker's memory, everything else is the same. */
export type RemoteValue<Value> = unknown extends Value ? Value
  : Value extends ApiClasses[keyof ApiClasses] ? Remote<Value>
  : Value extends
    AbortSignal | ArrayBufferView | ((...args: never[]) => void) | string | number | boolean | null | undefined ? Value
  : { [Key in keyof Value]: RemoteValue<Value[Key]> };

/** A result requires the worker, so that it is a promise whether or not it was one. */
type Answer<Result> = [Result] extends [AsyncGenerator<infer Item, infer Return, infer Next>]
  ? AsyncGenerator<RemoteValue<Item>, RemoteValue<Return>, Next>
  : Promise<RemoteValue<Awaited<Result>>>;

type RemoteFunction<Function> = Function extends (...args: infer Args) => infer Result
  ? (...args: { [Index in keyof Args]: RemoteValue<Args[Index]> }) => Answer<Result>
  : never;

/** Methods whose results depend on their parameters. */
interface Overloaded {
  detect(image: RemoteValue<ImageInput>, options?: DetectOptions): Promise<RemoteValue<Detections>>;
  detect(images: readonly RemoteValue<ImageInput>[], options?: DetectOptions): Promise<RemoteValue<Detections>[]>;
  detectAll(source: string | readonly string[],
    options?: DetectAllOptions & { readonly onDecodeError?: "fail" | undefined }
  ): AsyncGenerator<RemoteValue<DetectedImage>, void>;
  detectAll(source: string | readonly string[],
    options?: DetectAllOptions): AsyncGenerator<RemoteValue<DetectedImage> | SkippedImage, void>;
  classify(image: string | Uint8Array, options?: ClassifyOptions): Promise<Prediction[]>;
  classify(images: readonly RemoteValue<ImageInput>[], options?: ClassifyOptions): Promise<Prediction[][]>;
  classify(images: RemoteValue<ImageInput>, options?: ClassifyOptions): Promise<Prediction[] | Prediction[][]>;
  classifyAll(source: string | readonly string[],
    options?: ClassifyAllOptions & { readonly onDecodeError?: "fail" | undefined }
  ): AsyncGenerator<ClassifiedImage, void>;
  classifyAll(source: string | readonly string[],
    options?: ClassifyAllOptions): AsyncGenerator<ClassifiedImage | SkippedImage, void>;
}

/** A class of the API as it is with a worker: the same members, under the same names, with the same parameters. */
export type Remote<Class> = {
  [Key in keyof Class as Exclude<Key, Internal>]: Key extends Constant | "dispose" | typeof Symbol.dispose ? Class[Key]
    : Key extends keyof Overloaded ? Overloaded[Key]
    : Class[Key] extends (...args: never[]) => unknown ? RemoteFunction<Class[Key]>
    : RemoteValue<Class[Key]>;
};

/** The functions of the package as they are with a worker. */
export type RemoteFunctions = { [Name in keyof ApiFunctions]: RemoteFunction<ApiFunctions[Name]> };

/** The functions of `masks` as they are with a worker. */
export type RemoteMasks = { readonly [Name in keyof Masks]: RemoteFunction<Masks[Name]> };

export type RemoteTensor = Remote<ApiClasses["Tensor"]>;
export type RemoteModel = Remote<ApiClasses["Model"]>;
export type RemoteDistiller = Remote<ApiClasses["Distiller"]>;
export type RemoteSession = Remote<ApiClasses["Session"]>;
export type RemoteDataset<Of extends AnyBatch = AnyBatch> = Remote<Dataset<Of>>;
export type RemoteDatasetSplit<Of extends AnyBatch = AnyBatch> = Remote<DatasetSplit<Of>>;
