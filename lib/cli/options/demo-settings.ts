import type { DataSourceInput, MethodInput, TrainingOptionsInput } from "../../index.js";

/** What one demonstration trains, and on what. */
export interface DemoSettings {
  readonly teacher: string;
  readonly student: string;
  readonly data: DataSourceInput;
  readonly method: MethodInput;
  readonly teacherTraining: TrainingOptionsInput;
  readonly studentTraining: TrainingOptionsInput;
}

const training = {
  epochs: 10,
  batchSize: 32,
  schedule: { kind: "cosine", warmupEpochs: 1 },
} satisfies TrainingOptionsInput;

/** Narrower than the method's default, so that the demonstration stays short. */
const method = { kind: "review", weight: 1, warmupEpochs: 1, midChannels: 16 } satisfies MethodInput;

/** `reviewkd demo`: four minutes of one core's time, two minutes on two. */
export const DEMO: DemoSettings = {
  teacher: "resnet14",
  student: "resnet8",
  data: { kind: "synthetic", trainSamples: 2000, testSamples: 1000 },
  method,
  teacherTraining: training,
  studentTraining: training,
};

/** `reviewkd demo --quick`: a few seconds, to see that everything runs; its accuracies mean nothing. */
export const QUICK_DEMO: DemoSettings = {
  teacher: "resnet14",
  student: "resnet8",
  data: { kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 32 },
  method: { kind: "review", weight: 1, warmupEpochs: 1 },
  teacherTraining: { ...training, epochs: 2, batchSize: 16 },
  studentTraining: { ...training, epochs: 2, batchSize: 16 },
};
