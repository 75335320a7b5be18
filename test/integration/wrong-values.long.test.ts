// Every public function and method with values that no type allows: each throws or rejects with an error that has a
// code, or takes the value. Nothing else, such as a bare TypeError, reaches the caller.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import * as reviewkd from "../../lib/index.js";

const { createDetector, createDistiller, createModel, createSession, ERROR_CODES, isReviewKdError, loadDataset, Model,
  ReviewKdError, Tensor } = reviewkd;

type Callable = (...args: never[]) => unknown;

/** A function or method, where to call it, and arguments that it takes. */
interface Member {
  readonly name: string;
  readonly call: (...args: unknown[]) => unknown;
  readonly args: readonly unknown[];
}

/** Functions that would change this machine or end this process. */
const LEFT_OUT = new Set(["endProcess", "installCudaLibTorch"]);
/** Steps of a generator that took its arguments. */
const MOST_ITEMS = 3;

const values = (numbers: readonly number[], shape: readonly number[] = [numbers.length]): reviewkd.Tensor =>
  Tensor.from(Float32Array.from(numbers), shape);
const images = (count = 2): reviewkd.Tensor =>
  values(new Array<number>(count * 3 * 32 * 32).fill(0.5), [count, 3, 32, 32]);
const labels = (...classes: bigint[]): reviewkd.Tensor => Tensor.from(BigInt64Array.from(classes), [classes.length]);
const box = (): reviewkd.Tensor => values([1, 2, 10, 20], [1, 4]);

/** Values of wrong types, ranges and classes. */
function wrongValues(objects: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  const disposed = values([1]);
  disposed.dispose();
  const cyclic: Record<string, unknown> = {};
  cyclic["images"] = cyclic["self"] = cyclic;
  return [
    ["undefined", undefined],
    ["null", null],
    ["text", "text"],
    ["an empty string", ""],
    ["a path with a zero byte", "a\0b"],
    ["NaN", NaN],
    ["Infinity", Infinity],
    ["-1", -1],
    ["1.5", 1.5],
    ["2**53", 2 ** 53],
    ["1n", 1n],
    ["true", true],
    ["an empty object", {}],
    ["an object without a prototype", Object.create(null)],
    ["an empty array", []],
    ["an array of undefined", [undefined]],
    ["a sparse array", new Array(3)],
    ["an array of arrays", [[[]]]],
    ["a symbol", Symbol("symbol")],
    ["a function", () => undefined],
    ["a function that throws", () => {
      throw new ReviewKdError("ABORTED", "thrown by the test");
    }],
    ["a proxy", new Proxy({}, {})],
    ["an object whose fields throw", { get images() {
      throw new RangeError("thrown by a getter");
    } }],
    ["an object that contains itself", cyclic],
    ["a date", new Date(0)],
    ["a map", new Map()],
    ["a promise", Promise.resolve(1)],
    ["bytes", new Uint8Array(5)],
    ["a view", new DataView(new ArrayBuffer(8))],
    ["a buffer", new ArrayBuffer(8)],
    ["wide characters", new Uint16Array(2)],
    ["a disposed Tensor", disposed],
    ["a scalar Tensor", Tensor.from([1], [])],
    ["an empty Tensor", Tensor.from(new Float32Array(0), [0, 3, 32, 32])],
    ["a Tensor of int64", labels(1n, 2n)],
    ["a Tensor of NaN", values([NaN, NaN, NaN, NaN], [1, 4])],
    ["an array of a Tensor", [Tensor.from([1], [])]],
    ["the prototype of a Model", Object.create(Model.prototype)],
    ["the prototype of a Tensor", Object.create(Tensor.prototype)],
    ["a proxy of a Tensor", new Proxy(values([1]), {})],
    ["an object of another realm", runInContext("({ images: [1] })", createContext({}))],
    ...Object.entries(objects),
  ];
}

/** The arguments with one of them, or one of its fields, replaced by each of the values. */
function* variants(args: readonly unknown[],
  wrong: ReturnType<typeof wrongValues>): Generator<[what: string, args: unknown[]]> {
  for (const [what, value] of wrong) {
    for (let index = 0; index <= args.length; ++index) {
      yield [`${what} as argument ${index}`, index < args.length ? args.with(index, value) : [...args, value]];
      const given = args[index];
      if (!isPlain(given)) continue;
      for (const field of Object.keys(given)) {
        yield [`${what} as ${field} of argument ${index}`, args.with(index, { ...given, [field]: value })];
        const inner = given[field];
        if (!isPlain(inner)) continue;
        for (const name of Object.keys(inner)) {
          yield [`${what} as ${field}.${name} of argument ${index}`,
            args.with(index, { ...given, [field]: { ...inner, [name]: value } })];
        }
      }
    }
  }
  yield ["no arguments", []];
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** A function of the user, which awaits nothing: it has returned when a promise is rejected. */
function functionOfTheUser(member: Member, args: readonly unknown[]): unknown {
  return member.call(...args);
}

/** A loop of the user. */
async function loopOfTheUser(items: AsyncGenerator): Promise<void> {
  for (let count = 0; count < MOST_ITEMS && (await items.next()).done !== true; ++count);
  await items.return(undefined);
}

/** Calls, awaits and iterates; the error that came of it. */
async function outcomeOf(member: Member, args: readonly unknown[]): Promise<{ readonly error?: unknown }> {
  try {
    const result = await functionOfTheUser(member, args);
    if (typeof result === "object" && result !== null && Symbol.asyncIterator in result)
      await loopOfTheUser(result as AsyncGenerator);
    return {};
  } catch (error) {
    return { error };
  }
}

/** Whatever may come of a wrong value: no error, one with a code that says what is wrong, or the caller's own. */
function isExpected(error: unknown): boolean {
  if (error === undefined || (error instanceof Error && error.message === "thrown by a getter")) return true;
  if (!/\b(?:function|loop)OfTheUser\b/.test((error as Error).stack ?? "")) return false;
  return isReviewKdError(error) && ERROR_CODES.includes(error.code) && error.code !== "INTERNAL" &&
    /^[^\n]{10}/.test(error.message) && !/\b(?:Too (?:small|big)|Invalid input|c10::|Float\b|Long\b)/.test(
      error.message.replace(/Float(?:32|64)Array/g, ""),
    );
}

describe("wrong values", () => {
  let directory: string;
  let members: readonly Member[];
  let wrong: ReturnType<typeof wrongValues>;
  const before_ = process.cwd();
  const owned: { dispose(): void }[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-wrong-values-"));
    process.chdir(directory);
    const model = await createModel("resnet8", { numClasses: 4 });
    const teacher = await createModel("resnet8", { numClasses: 4, seed: 2 });
    const distiller = await createDistiller({ teacher, student: model });
    const session = await createSession({ distiller });
    const detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 2,
      detection: { minSize: 32, maxSize: 64 } });
    const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 4, testSamples: 4 });
    const scenes = await loadDataset({ kind: "scenes", numClasses: 2, trainSamples: 2, testSamples: 2, imageSize: 32 });
    const annotations = await reviewkd.detectionFrom({ categories: [{ id: 1, name: "cell" }],
      images: [{ id: 7, width: 64, height: 48, boxes: [[1, 2, 11, 22]], labels: [1] }] });
    owned.push(session, distiller, model, teacher, detector, data, scenes);
    wrong = wrongValues({ "a Model": model, "a Session": session, "a Dataset": data, "a Detector": detector,
      "a Distiller": distiller });
    const rle = await reviewkd.masks.fromBox([1, 1, 4, 4], 10, 10);
    const found = { boxes: box(), scores: values([0.5]), labels: labels(1n) };
    const metric = { name: "top1", unit: "%", higherIsBetter: true };
    const set = (count: number) => ({ images: new Uint8Array(count * 3), labels: new Array<number>(count).fill(1) });

    /** Arguments that functions take, so that each wrong one meets right ones. */
    const known: Record<string, readonly unknown[]> = {
      "createModel": ["resnet8", { numClasses: 4, seed: 1 }],
      "createDetector": ["retinanet-resnet18-fpn", { numClasses: 2, seed: 1 }],
      "createDistiller": [{ teacher, student: model, method: { kind: "review", weight: 1 }, seed: 1 }],
      "createSession": [{ model, optimizer: { kind: "sgd", learningRate: 0.1 }, precision: "float32" }],
      "explainPair": [{ teacher: "resnet8", student: "resnet8", batchSize: 2, imageSize: [4, 4] }],
      "loadDataset": [{ kind: "arrays", numClasses: 2, height: 1, width: 1, train: set(2), test: set(1) }],
      "detectionFrom": [{ categories: [{ id: 1, name: "cell" }],
        images: [{ id: 7, width: 64, height: 48, boxes: [[1, 2, 11, 22]], labels: [1] }] }],
      "evaluateDetections": [{ groundTruth: { images: [{ id: 1 }], categories: [{ id: 1 }], annotations: [] },
        detections: [{ image_id: 1, category_id: 1, bbox: [1, 2, 3, 4], score: 0.5 }], kind: "bbox" }],
      "fit": [{ model, data, epochs: 1, batchSize: 2, runDirectory: undefined, resume: false, preset: undefined,
        config: undefined, evaluateTeacher: true, signal: undefined }],
      "runExperiment": [{ kind: "train", model: { name: "resnet8" } }, {}],
      "runStudy": [{ kind: "train" }, { directory: "study" }],
      "planStudy": [{ kind: "train" }, { directory: "study" }],
      "runStudyCell": ["study", 0],
      "collectStudy": ["study"],
      "queueStudy": [{ kind: "train" }, { directory: "study", queue: "redis://127.0.0.1:1" }],
      "workOnStudies": [{ queue: "redis://127.0.0.1:1" }],
      "fetchDataset": [{ kind: "cifar10", directory: "data", url: "nothing" }],
      "hierarchicalContextLoss": [images(), images()],
      "toCocoResults": [1, found, [null, 7]],
      "detectedObjects": [found],
      "drawDetections": ["missing.jpg", found, { classNames: ["a", "b"] }],
      "writeStateDict": ["weights.safetensors", { a: box() }, {}],
      "convertWeights": ["missing.pth", "weights.safetensors", {}],
      "metricText": [metric, 1, 1],
      "metricDecimals": [metric, 1],
      "namedValue": [{ a: 1 }, "a"],
      "primaryMetric": [model.task],
      "meanAndDeviation": [[1, 2]],
      "drawSize": [[32, 64], 1, 1, 1],
      "drawFlip": [1, 1, 1],
      "groupedOrder": [[1, 2], { batchSize: 1 }],
      "Tensor.from": [[1, 2], [2], { dtype: "float32" }],
      "Model.forward": [images(), { features: true, mode: "eval" }],
      "Model.featureSpecs": [32, 32],
      "Model.stateDict": [{}],
      "Model.loadStateDict": [{ a: box() }, { strict: false }],
      "Model.parameterCount": [{ trainable: true }],
      "Model.save": ["model.safetensors", { metadata: { a: "b" } }],
      "Model.load": ["missing.safetensors", { strict: true }],
      "Model.evaluate": [data.test, { batchSize: 4 }],
      "Distiller.forward": [images(), { labels: labels(0n, 1n) }],
      "Distiller.loadStateDict": [{ a: box() }, { strict: false }],
      "Session.step": [{ images: images(), labels: labels(0n, 1n) }],
      "Session.trainEpoch": [data, { epoch: 0, batchSize: 2 }],
      "Session.evaluate": [data.test, { batchSize: 4 }],
      "Session.saveCheckpoint": ["checkpoint.safetensors", { a: "b" }, {}],
      "Session.loadCheckpoint": ["missing.safetensors", {}],
      "DatasetSplit.batches": [{ batchSize: 2, seed: 1 }],
      "Scenes.batches": [{ batchSize: 1, labels: "from-1" }],
      "Detector.detect": [[values(new Array<number>(3 * 32 * 32).fill(0.5), [3, 32, 32])], { scoreThreshold: 0.9 }],
      "Detector.detectAll": ["missing", {}],
      "Detector.forward": [[values(new Array<number>(3 * 32 * 32).fill(0.5), [3, 32, 32])], { mode: "eval" }],
      "Detector.save": ["detector.safetensors", {}],
      "masks.encode": [Tensor.from(Uint8Array.of(0, 1), [1, 2]), {}],
      "masks.encodeAll": [Tensor.from(Uint8Array.of(0, 1), [1, 1, 2]), {}],
      "masks.fromPolygons": [[[1, 1, 5, 1, 5, 5]], 10, 10],
      "masks.fromBox": [[1, 1, 4, 4], 10, 10],
      "masks.merge": [[rle, rle], {}],
      "masks.iou": [[rle], [rle], [false]],
      "masks.boxIou": [box(), box(), [false]],
      "functional.boxIou": [box(), box()],
      "functional.clipBoxes": [box(), [10, 10]],
      "functional.nms": [box(), values([0.5]), 0.5],
      "functional.batchedNms": [box(), values([0.5]), labels(1n), 0.5],
      "functional.roiAlign": [images(1), values([0, 1, 1, 5, 5], [1, 5]), { outputSize: [2, 2], spatialScale: 1 }],
      "functional.generalizedBoxIouLoss": [box(), box(), { reduction: "mean", gradientOfOutput: 1 }],
      "functional.sigmoidFocalLoss": [box(), box(), { reduction: "mean" }],
      "functional.smoothL1Loss": [box(), box(), { reduction: "mean" }],
      "functional.matchBoxes": [box(), { high: 0.7, low: 0.3 }],
      "functional.pasteMasks": [values([1], [1, 1, 1]), box(), [10, 10], {}],
      "functional.encodeBoxes": [box(), box(), [1, 1, 1, 1]],
      "functional.decodeBoxes": [box(), box(), [1, 1, 1, 1]],
      "functional.hierarchicalContextLoss": [images(), images()],
    };
    for (const name of ["decode", "compress", "decompress", "area", "toBox"]) known[`masks.${name}`] = [rle];

    const functionsOf = (space: object, prefix = ""): Member[] =>
      Object.entries(space).flatMap(([name, value]: [string, unknown]): Member[] => {
        // Classes are created by functions, and their static methods are below.
        if (typeof value !== "function" || LEFT_OUT.has(name) || /^[A-Z]/.test(name)) return [];
        const full = prefix + name;
        return [{ name: full, call: value as Callable as Member["call"],
          args: known[full] ?? new Array<unknown>(Math.max(1, value.length)) }];
      });
    const methodsOf = (kind: string, object: object): Member[] => {
      const found = new Map<string, Member>();
      for (let type = Object.getPrototypeOf(object) as object; type !== Object.prototype;
        type = Object.getPrototypeOf(type) as object) {
        for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
          if (typeof value !== "function" || found.has(name) || ["constructor", "dispose"].includes(name)) continue;
          const method = value as Callable;
          found.set(name, { name: `${kind}.${name}`, call: (...args) => method.apply(object, args as never[]),
            args: known[`${kind}.${name}`] ?? known[`Model.${name}`] ??
              new Array<unknown>(Math.max(1, method.length)) });
        }
      }
      return [...found.values()];
    };
    members = [...functionsOf(reviewkd), ...functionsOf(reviewkd.functional, "functional."),
      ...functionsOf(reviewkd.functional.detection, "detection."), ...functionsOf(reviewkd.masks, "masks."), {
      name: "Tensor.from",
      call: Tensor.from.bind(Tensor) as Member["call"],
      args: known["Tensor.from"]!,
    }, ...methodsOf("Tensor", values([1])), ...methodsOf("Model", model), ...methodsOf("Detector", detector),
      ...methodsOf("Distiller", distiller), ...methodsOf("Session", session), ...methodsOf("Dataset", data),
      ...methodsOf("DatasetSplit", data.train), ...methodsOf("Scenes", scenes.train),
      ...methodsOf("DetectionAnnotations", annotations)];
  });
  after(async () => {
    for (const object of owned) object.dispose();
    process.chdir(before_);
    await rm(directory, { recursive: true });
  });

  it("are refused with a code by every public function and method", async function () {
    this.timeout(300_000);
    expect(members.length).to.be.above(120);
    /** The first variant of each error by its member, text and place. */
    const unexpected = new Map<string, string>();
    for (const member of members) {
      for (const [what, args] of variants(member.args, wrong)) {
        const { error } = await outcomeOf(member, args);
        if (isExpected(error)) continue;
        const { name, message, stack = "", code = "" } = error as Error & { readonly code?: string };
        const text = `${name} ${code}: ${message} (${/lib\/\S+/.exec(stack)?.[0] ?? "native"})`;
        unexpected.set(`${member.name}: ${text}`, `${member.name} with ${what}: ${text}`);
      }
    }
    if (unexpected.size > 0) throw new Error([...unexpected.values()].join("\n"));
  });
});
