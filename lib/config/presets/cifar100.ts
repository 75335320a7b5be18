import type { PresetInput } from "../schemas/preset.js";
import { PAPER, type PresetEntry, type PresetPair } from "./entry.js";

/** The official CIFAR schedule: the rate drops *after* epoch indices 150, 180 and 210. */
const OFFICIAL = {
  epochs: 240,
  batchSize: 128,
  optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  schedule: { kind: "multi-step", milestones: [150, 180, 210], factor: 0.1 },
  augment: true,
} satisfies PresetInput["training"];

/** mdistiller counts epochs from 1 and lowers the rate after 150, 180 and 210: one less in a count from 0. */
const MDISTILLER = {
  ...OFFICIAL,
  batchSize: 64,
  optimizer: { ...OFFICIAL.optimizer, learningRate: 0.05, nesterov: false },
  schedule: { ...OFFICIAL.schedule, milestones: [149, 179, 209] },
} satisfies PresetInput["training"];

/** ShuffleNet and MobileNet students train worse at a rate of 0.1. */
const LOW_RATE = { ...OFFICIAL,
  optimizer: { ...OFFICIAL.optimizer, learningRate: 0.02 } } satisfies PresetInput["training"];

const OFFICIAL_SOURCE = `${PAPER} and its published CIFAR code`;

interface CifarPair extends PresetPair {
  readonly weight: number;
  readonly training?: PresetInput["training"];
}

function pair(teacher: string, student: string,
  { weight, training = OFFICIAL, published, marks = [] }: CifarPair): PresetEntry {
  return {
    description: `${student} under ${teacher} on CIFAR-100.`,
    origin: "published",
    source: `${OFFICIAL_SOURCE}; baselines of teacher and student as commonly quoted`,
    dataset: "cifar100",
    teacher,
    student,
    method: { kind: "review", weight, warmupEpochs: 20 },
    training,
    published,
    marks: [...marks],
  };
}

const fromMemory = (...figures: (keyof PresetPair["published"])[]): NonNullable<PresetPair["marks"]> =>
  figures.map((figure) => ({ field: `published.${figure}`, origin: "memory" as const }));

const WEIGHT_RERUN = "the paper's run has weight 0.6; this one is an independent re-run's";

/** Presets for CIFAR-100: schedules for any pair, then the published pairs. */
export const CIFAR100_PRESETS = {
  cifar100: {
    description:
      "The official CIFAR-100 schedule for any pair of networks; ShuffleNet and MobileNet students need a learning rate of 0.02.",
    origin: "published",
    source: OFFICIAL_SOURCE,
    dataset: "cifar100",
    method: { kind: "review", warmupEpochs: 20 },
    training: OFFICIAL,
  },
  "cifar100-short": {
    description:
      "12 epochs with a cosine schedule, to see an effect on CIFAR-100 quickly; not comparable with published figures.",
    origin: "ours",
    source: "chosen for this package; not published",
    dataset: "cifar100",
    method: { kind: "review", warmupEpochs: 1 },
    training: { ...OFFICIAL, epochs: 12, schedule: { kind: "cosine", warmupEpochs: 1 } },
  },
  mdistiller: {
    description:
      "The CIFAR-100 settings of the mdistiller toolbox for any pair of networks; ShuffleNet and MobileNet students need a learning rate of 0.01.",
    origin: "published",
    source: "the published code of mdistiller, the toolbox of Decoupled Knowledge Distillation (CVPR 2022)",
    dataset: "cifar100",
    method: { kind: "review", warmupEpochs: 20, warmupFrom: 1 },
    training: MDISTILLER,
  },
  "resnet56-resnet20": pair("resnet56", "resnet20", { weight: 0.6,
    published: { teacher: 72.34, student: 69.06, review: 71.89 } }),
  "resnet56-resnet20-rerun": {
    ...pair("resnet56", "resnet20", { weight: 0.7,
      published: { teacher: 72.34, student: 69.06, review: 71.89, rerun: 71.79 },
      marks: [{ field: "method.weight", origin: "re-run", note: WEIGHT_RERUN }] }),
    description:
      "resnet20 under resnet56 on CIFAR-100 with the weight of an independent re-run, for reproducing its ablation (`reviewkd study ablation`).",
  },
  "resnet110-resnet32": pair("resnet110", "resnet32", { weight: 1,
    published: { teacher: 74.31, student: 71.14, review: 73.89, rerun: 73.61 },
    marks: fromMemory("teacher", "student") }),
  "resnet32x4-resnet8x4": pair("resnet32x4", "resnet8x4", { weight: 5,
    published: { teacher: 79.42, student: 72.5, review: 75.63, rerun: 76.02 } }),
  "wrn-40-2-wrn-16-2": pair("wrn-40-2", "wrn-16-2", { weight: 5,
    published: { teacher: 75.61, student: 73.26, review: 76.12, rerun: 76.27 }, marks: fromMemory("student") }),
  "wrn-40-2-wrn-40-1": pair("wrn-40-2", "wrn-40-1", { weight: 5,
    published: { teacher: 75.61, student: 71.98, review: 75.09, rerun: 75.21 } }),
  "vgg13-vgg8": pair("vgg13", "vgg8", {
    weight: 5,
    published: { teacher: 74.64, student: 70.36, review: 74.84 },
    marks: [
      { field: "method.weight", origin: "ours", note: "that of most published pairs" },
      ...fromMemory("teacher", "student"),
    ],
  }),
  "resnet32x4-shufflenetv1": pair("resnet32x4", "shufflenetv1", { weight: 5, training: LOW_RATE,
    published: { teacher: 79.42, student: 70.5, review: 77.45, rerun: 76.94 } }),
  "wrn-40-2-shufflenetv1": pair("wrn-40-2", "shufflenetv1", { weight: 5, training: LOW_RATE,
    published: { teacher: 75.61, student: 70.5, review: 77.14, rerun: 77.44 } }),
  "resnet32x4-shufflenetv2": pair("resnet32x4", "shufflenetv2", { weight: 8, training: LOW_RATE,
    published: { teacher: 79.42, student: 71.82, review: 77.78, rerun: 77.86 } }),
  "vgg13-mobilenetv2-half": pair("vgg13", "mobilenetv2-half", {
    weight: 8,
    training: LOW_RATE,
    published: { teacher: 74.64, student: 64.6, review: 70.37 },
    marks: [
      { field: "method.weight", origin: "ours", note: "that of the published MobileNetV1 and ShuffleNetV2 pairs" },
      ...fromMemory("teacher", "review"),
    ],
  }),
  "resnet50-cifar-mobilenetv2-half": pair("resnet50-cifar", "mobilenetv2-half", {
    weight: 30,
    training: { ...OFFICIAL, batchSize: 64, optimizer: { ...OFFICIAL.optimizer, learningRate: 0.01 } },
    published: { teacher: 79.34, student: 64.6, review: 69.89, rerun: 69.88 },
    marks: [
      { field: "method.weight", origin: "re-run", note: "the paper's was not published" },
      { field: "training.batchSize", origin: "re-run",
        note: "belongs to the re-run's learning rate; the official code has 128" },
      { field: "training.optimizer.learningRate", origin: "re-run",
        note: "belongs to the re-run's batch size; the official code has 0.02" },
    ],
  }),
} satisfies Record<string, PresetEntry>;
