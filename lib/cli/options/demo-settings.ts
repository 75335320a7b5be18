import type { DataSourceInput, DetectionOptions, MethodInput, TrainingOptionsInput } from "../../index.js";

export interface DemoSettings {
  readonly teacher: string;
  readonly student: string;
  readonly data: DataSourceInput;
  readonly method: MethodInput;
  readonly training: TrainingOptionsInput;
}

const training: TrainingOptionsInput = { epochs: 10, batchSize: 32, schedule: { kind: "cosine", warmupEpochs: 1 } };

/** Narrower than the method's default, to keep the demonstration short. */
const method = { kind: "review", weight: 1, warmupEpochs: 1, midChannels: 16 } satisfies MethodInput;

/** `reviewkd demo`: four minutes on one core, two minutes on two. */
export const DEMO: DemoSettings = {
  teacher: "resnet14",
  student: "resnet8",
  data: { kind: "synthetic", trainSamples: 2000, testSamples: 1000 },
  method,
  training,
};

/** `reviewkd demo --quick`: a few seconds, to check that everything works; its accuracies are meaningless. */
export const QUICK_DEMO: DemoSettings = {
  teacher: "resnet14",
  student: "resnet8",
  data: { kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 32 },
  method: { kind: "review", weight: 1, warmupEpochs: 1 },
  training: { ...training, epochs: 2, batchSize: 16 },
};

export interface DetectionDemoSettings {
  readonly model: string;
  readonly data: DataSourceInput;
  readonly detection: DetectionOptions;
  readonly training: TrainingOptionsInput;
}

/** Small images keep their size; few regions suffice for a handful of objects. */
const detection: DetectionOptions = {
  minSize: null,
  anchorSizes: [[16], [24], [40], [64], [96]],
  rpnPreNmsTopNTrain: 200,
  rpnPreNmsTopNTest: 200,
  rpnPostNmsTopNTrain: 100,
  rpnPostNmsTopNTest: 50,
  boxBatchSizePerImage: 32,
  boxPositiveFraction: 0.5,
};

/** `reviewkd demo --task detection`: less than six minutes on two cores. */
export const DETECTION_DEMO: DetectionDemoSettings = {
  model: "faster-rcnn-resnet18-fpn",
  data: { kind: "scenes", numClasses: 3, trainSamples: 300, testSamples: 60, imageSize: 96 },
  detection,
  training: { epochs: 8, batchSize: 4, evaluationBatchSize: 4, optimizer: { kind: "sgd", learningRate: 0.02 },
    clipNorm: 10, schedule: { kind: "cosine", warmupEpochs: 1 } },
};

/** `reviewkd demo --task detection --quick`: to check that everything works. */
export const QUICK_DETECTION_DEMO: DetectionDemoSettings = {
  ...DETECTION_DEMO,
  data: { kind: "scenes", numClasses: 2, trainSamples: 8, testSamples: 4, imageSize: 64 },
  training: { ...DETECTION_DEMO.training, epochs: 1 },
};
