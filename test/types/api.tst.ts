// The types that users of the package see.
import { type AnyBatch, type Batch, type ClassifiedImage, type CocoEvaluation, createDetector, createDistiller,
  createModel, createSession, type Dataset, type DetectedImage, type DetectionBatch, type Detections, type Detector,
  type DetectorLoadReport, type Distiller, type ErrorCode, evaluateDetections, fit, type FitEvent, type FitResult,
  functional, type ImageInput, isReviewKdError, loadDataset, masks, type LoadReport, type Model, type Prediction,
  type ReviewKdError, type Session, type SkippedImage, type StateDict, type StepResult, type Tensor,
  type VocEvaluation } from "reviewkd";
import { describe, expect, test } from "tstyche";

declare const model: Model;
declare const distiller: Distiller;
declare const data: Dataset;
declare const batch: AnyBatch;
declare const detector: Detector;
declare const tensor: Tensor;

describe("models", () => {
  test("are created by name, with options that are checked", () => {
    expect(createModel).type.toBeCallableWith("resnet20");
    expect(createModel).type.toBeCallableWith("resnet20", { numClasses: 100, seed: 1, weights: "resnet20.pth",
      device: "cpu" });
    expect(createModel("resnet20")).type.toBe<Promise<Model>>();
    expect(createModel).type.not.toBeCallableWith();
    expect(createModel).type.not.toBeCallableWith("resnet20", { classes: 100 });
    expect(createModel).type.not.toBeCallableWith("resnet20", { numClasses: "100" });
  });

  test("are disposed by `using`", () => {
    expect<Model>().type.toBeAssignableTo<Disposable>();
    expect<Session>().type.toBeAssignableTo<Disposable>();
    expect<Distiller>().type.toBeAssignableTo<Disposable>();
    expect<Dataset>().type.toBeAssignableTo<Disposable>();
  });

  test("give their state as tensors by name", () => {
    expect<StateDict[string]>().type.toBe<Tensor>();
  });
});

describe("finding objects", () => {
  test("gives one result for one image, a list for a list", () => {
    expect(detector.detect("photo.jpg")).type.toBe<Promise<Detections>>();
    expect(detector.detect(new Uint8Array())).type.toBe<Promise<Detections>>();
    expect(detector.detect(["photo.jpg", new Uint8Array()], { scoreThreshold: 0.5 })).type.toBe<
      Promise<Detections[]>
    >();
    expect<ImageInput>().type.not.toBeAssignableFrom<number>();
  });

  test("gives results whose numbers have names", async () => {
    for await (const event of fit({ model: detector, data })) {
      if (event.type !== "epoch") continue;
      expect(event.test.ap).type.toBe<number | undefined>();
      expect(event.train.losses.rpnBoxReg).type.toBe<number | undefined>();
    }
    expect<Awaited<ReturnType<Detector["evaluate"]>>["maskAp50"]>().type.toBe<number | undefined>();
    expect<StepResult["losses"]>().type.not.toHaveProperty("boxRegression");
  });

  test("yields files without detections only where they may be skipped", () => {
    expect(detector.detectAll("photos")).type.toBe<AsyncGenerator<DetectedImage, void>>();
    expect(detector.detectAll(["photos"], { onDecodeError: "skip" })).type.toBe<
      AsyncGenerator<DetectedImage | SkippedImage, void>
    >();
  });
});

describe("predictions", () => {
  test("are one list for one file, a list of them for a list, and either for a Tensor", () => {
    expect(model.classify("photo.jpg")).type.toBe<Promise<Prediction[]>>();
    expect(model.classify(["photo.jpg", tensor], { topK: 1 })).type.toBe<Promise<Prediction[][]>>();
    expect(model.classify(tensor)).type.toBe<Promise<Prediction[] | Prediction[][]>>();
  });

  test("of files are missing only where files may be skipped", () => {
    expect(model.classifyAll("photos")).type.toBe<AsyncGenerator<ClassifiedImage, void>>();
    expect(model.classifyAll(["photos"], { onDecodeError: "skip" })).type.toBe<
      AsyncGenerator<ClassifiedImage | SkippedImage, void>
    >();
  });
});

describe("detectors", () => {
  test("are created by name, with weights of the whole or of the backbone", () => {
    expect(createDetector).type.toBeCallableWith("faster-rcnn-resnet18-fpn", { weights: "model.pth", strict: false });
    expect(createDetector).type.toBeCallableWith("retinanet-resnet18-fpn", { backboneWeights: "resnet18.pth",
      numClasses: 3, detection: { minSize: null } });
    expect(createDetector("mask-rcnn-resnet18-fpn")).type.toBe<Promise<Detector>>();
    expect(createDetector).type.not.toBeCallableWith("retinanet-resnet18-fpn", { flavor: "mmdetection" });
  });

  test("report what was loaded", () => {
    expect<Detector["loadReport"]>().type.toBe<DetectorLoadReport | null>();
    expect<DetectorLoadReport>().type.toBeAssignableTo<LoadReport>();
  });
});

describe("data", () => {
  test("give batches of their kind, which are narrowed where the kind is not known", () => {
    type BatchesOf<Of extends Dataset> = Of["train"]["batches"] extends (...args: never[]) => AsyncGenerator<infer Item>
      ? Item :
      never;
    expect(loadDataset({ kind: "coco", root: "coco" })).type.toBe<Promise<Dataset<DetectionBatch>>>();
    expect(loadDataset({ kind: "cifar10", root: "cifar" })).type.toBe<Promise<Dataset<Batch>>>();
    expect<BatchesOf<Dataset<DetectionBatch>>>().type.toBe<DetectionBatch>();
    expect<BatchesOf<Dataset>>().type.toBe<AnyBatch>();
    expect<Extract<AnyBatch, { labels: unknown }>>().type.toBe<Batch>();
    expect<Dataset<DetectionBatch>>().type.toBeAssignableTo<Dataset>();
  });

  test("take the options of their kind", () => {
    expect<Dataset<DetectionBatch>["train"]["batches"]>().type.toBeCallableWith({ labels: "from-0", masks: true });
    expect<Dataset<Batch>["train"]["batches"]>().type.not.toBeCallableWith({ labels: "from-0" });
  });

  test("are taken by a step and by a detector that is created for them", () => {
    expect<Session["step"]>().type.toBeCallableWith(batch);
    expect(createDetector).type.toBeCallableWith("retinanet-resnet18-fpn", { data });
  });
});

describe("evaluations of detections", () => {
  const data = { groundTruth: "truths.json",
    detections: [{ image_id: 1, category_id: 1, score: 1, bbox: [1, 2, 3, 4] }], kind: "bbox" } as const;

  test("have results by their metric", () => {
    expect(evaluateDetections(data)).type.toBe<Promise<CocoEvaluation>>();
    expect(evaluateDetections({ ...data, metric: "voc2010" })).type.toBe<Promise<VocEvaluation>>();
    expect(evaluateDetections).type.not.toBeCallableWith({ ...data, kind: "boxes" });
  });

  test("have masks in both of COCO's forms", () => {
    expect(masks.area).type.toBeCallableWith({ size: [2, 2], counts: "04" });
    expect(masks.area).type.toBeCallableWith({ size: [2, 2], counts: [0, 4] });
    expect(masks.encode).type.not.toBeCallableWith([0, 1]);
  });
});

describe("detectors", () => {
  test("are created by name, with options that are checked", () => {
    expect(createDetector("faster-rcnn-resnet18-fpn")).type.toBe<Promise<Detector>>();
    expect(createDetector).type.toBeCallableWith("retinanet-resnet50-fpn", { numClasses: 91, flavor: "detectron2",
      detection: { minSize: null, boxLoss: "giou" } });
    expect(createDetector).type.not.toBeCallableWith("retinanet-resnet50-fpn", { flavor: "mmdetection" });
    expect(createDetector).type.not.toBeCallableWith("retinanet-resnet50-fpn", { detection: { minsize: 1 } });
  });

  test("find objects in one image, or in a list of images", () => {
    expect(detector.detect(tensor, { maskThreshold: null })).type.toBe<Promise<Detections>>();
    expect(detector.detect("photo.jpg")).type.toBe<Promise<Detections>>();
    expect(detector.detect([tensor, new Uint8Array()])).type.toBe<Promise<Detections[]>>();
    expect<Detector["detect"]>().type.not.toBeCallableWith(1);
    expect<Detector>().type.toBeAssignableTo<Disposable>();
  });
});

describe("operations of detectors", () => {
  test("are tensors, with gradients if one of the output is given", () => {
    const options = { outputSize: [7, 7], spatialScale: 0.25 } as const;
    expect(functional.roiAlign(tensor, tensor, options)).type.toBe<Promise<Tensor>>();
    expect(functional.roiAlign(tensor, tensor, { ...options, gradientOfOutput: tensor })).type.toBeAssignableTo<
      Promise<{ output: Tensor; gradients: { input: Tensor } }>
    >();
    expect(functional.roiAlign).type.not.toBeCallableWith(tensor, tensor, { ...options, outputSize: 7 });
  });

  test("are numbers as losses, and tensors without reduction", () => {
    expect(functional.smoothL1Loss(tensor, tensor, { reduction: "sum" })).type.toBe<Promise<number>>();
    expect(functional.smoothL1Loss(tensor, tensor, { reduction: "none" })).type.toBe<Promise<Tensor>>();
    expect(functional.sigmoidFocalLoss(tensor, tensor, { reduction: "mean", gradientOfOutput: 1 })).type
      .toBeAssignableTo<Promise<{ output: number; gradients: { logits: Tensor } }>>();
    expect(functional.generalizedBoxIouLoss(tensor, tensor, { reduction: "none", gradientOfOutput: tensor })).type
      .toBeAssignableTo<Promise<{ output: Tensor; gradients: { boxes: Tensor } }>>();
    expect(functional.smoothL1Loss).type.not.toBeCallableWith(tensor, tensor, { reduction: "all" });
    expect(functional.smoothL1Loss).type.not.toBeCallableWith(tensor, tensor, {});
  });

  test("have inner parts in the same form", () => {
    const { maskLoss, roiLosses } = functional.detection;
    expect(maskLoss(tensor, tensor, tensor)).type.toBe<Promise<number>>();
    expect(maskLoss(tensor, tensor, tensor, { gradientOfOutput: 1 })).type.toBeAssignableTo<
      Promise<{ output: number; gradients: { logits: Tensor } }>
    >();
    expect(roiLosses(tensor, tensor, tensor, tensor, { smoothL1Beta: 0 })).type.toBe<
      Promise<{ classifier: number; boxReg: number }>
    >();
  });
});

describe("distillers", () => {
  test("take two models and a method, discriminated by its kind", () => {
    expect(createDistiller).type.toBeCallableWith({ teacher: model, student: model });
    expect(createDistiller).type.toBeCallableWith({ teacher: model, student: model,
      method: { kind: "review", weight: 0.6, warmupEpochs: 20 }, seed: 1 });
    expect(createDistiller).type.toBeCallableWith({ teacher: model, student: model, method: { kind: "dkd" } });
    expect(createDistiller).type.not.toBeCallableWith({ student: model });
    expect(createDistiller).type.not.toBeCallableWith({ teacher: model, student: model, method: { kind: "unknown" } });
    expect(createDistiller).type.not.toBeCallableWith({ teacher: model, student: model, method: { weight: 1 } });
  });
});

describe("data sets", () => {
  test("have the options of their kind alone", () => {
    expect(loadDataset).type.toBeCallableWith({ kind: "cifar100", root: "data/cifar-100-binary" });
    expect(loadDataset).type.toBeCallableWith({ kind: "synthetic", numClasses: 10 });
    expect(loadDataset).type.not.toBeCallableWith({ kind: "cifar100" });
    expect(loadDataset).type.not.toBeCallableWith({ kind: "cifar100", root: "data", imageSize: 32 });
    expect(loadDataset).type.not.toBeCallableWith({ kind: "unknown" });
  });

  test("give batches for a loop of one's own", () => {
    expect(data.train.batches({ batchSize: 128, seed: 1 })).type.toBeAssignableTo<AsyncIterable<unknown>>();
    expect(data.numClasses).type.toBe<number>();
  });
});

describe("sessions", () => {
  test("train a distiller or a model alone", () => {
    expect(createSession).type.toBeCallableWith({ distiller, precision: "float32",
      optimizer: { kind: "sgd", learningRate: 0.1 } });
    expect(createSession).type.toBeCallableWith({ model });
    expect(createSession).type.not.toBeCallableWith({});
    expect(createSession).type.not.toBeCallableWith({ model, precision: "float16" });
  });

  test("give losses as numbers", () => {
    expect<Awaited<ReturnType<Session["step"]>>>().type.toBe<StepResult>();
    expect<StepResult["losses"]["total"]>().type.toBe<number>();
    expect<StepResult["losses"]["crossEntropy"]>().type.toBe<number>();
  });
});

describe("fit", () => {
  test("yields events that are discriminated by their type, and returns the result", () => {
    expect(fit({ distiller, data })).type.toBe<AsyncGenerator<FitEvent, FitResult, void>>();
    expect<Extract<FitEvent, { type: "epoch" }>["test"]["top1"]>().type.toBe<number>();
    expect<Extract<FitEvent, { type: "epoch" }>["train"]["losses"]["total"]>().type.toBe<number>();
    expect<Extract<FitEvent, { type: "unknown" }>>().type.toBe<never>();
  });
});

describe("errors", () => {
  test("carry a code of a closed union", () => {
    expect<ReviewKdError["code"]>().type.toBe<ErrorCode>();
    expect<ErrorCode>().type.not.toBe<string>();
    expect<"INVALID_ARGUMENT">().type.toBeAssignableTo<ErrorCode>();
    expect<"NO_SUCH_CODE">().type.not.toBeAssignableTo<ErrorCode>();
  });

  test("are narrowed by isReviewKdError", () => {
    const error: unknown = undefined;
    if (isReviewKdError(error)) expect(error).type.toBe<ReviewKdError>();
  });
});
