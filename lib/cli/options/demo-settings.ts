import type { DataSourceInput, MethodInput, TrainingOptionsInput } from "../../index.js";

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
