import type { PresetInput } from "../schemas/preset.js";
import { PAPER, type PresetEntry, type PresetPair } from "./entry.js";

/** The official ImageNet schedule lowers the rate *at* epoch indices 30, 60 and 90; here *after* a milestone. */
const OFFICIAL = {
  epochs: 100,
  batchSize: 256,
  optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 1e-4 },
  schedule: { kind: "multi-step", milestones: [29, 59, 89], factor: 0.1 },
  augment: true,
} satisfies PresetInput["training"];

/** No warm-up. Teacher features are taken after the ReLU, because the official code applies it in place. */
const METHOD = { kind: "review", warmupEpochs: 0, teacherFeatures: "after", studentFeatures: "after" } as const;

const OFFICIAL_SOURCE = `${PAPER} and its published ImageNet code`;

function pair(teacher: string, student: string,
  { method, published }: PresetPair & { readonly method: PresetInput["method"] }): PresetEntry {
  return {
    description: `${student} under ${teacher} on ImageNet.`,
    origin: "published",
    source: OFFICIAL_SOURCE,
    dataset: "imagenet",
    teacher,
    student,
    method,
    training: OFFICIAL,
    published,
  };
}

/** Presets for ImageNet: the schedule for any pair, then the published pairs. */
export const IMAGENET_PRESETS = {
  imagenet: {
    description: "The official ImageNet schedule for any pair of networks.",
    origin: "published",
    source: OFFICIAL_SOURCE,
    dataset: "imagenet",
    method: METHOD,
    training: OFFICIAL,
  },
  "resnet34-resnet18": pair("resnet34", "resnet18", {
    method: { ...METHOD, weight: 1, midChannels: 512 },
    published: { teacher: 73.31, student: 69.75, review: 71.61 },
  }),
  "resnet50-mobilenetv1": pair("resnet50", "mobilenetv1", {
    method: { ...METHOD, weight: 8, midChannels: 256, studentFeatures: "before" },
    published: { teacher: 76.16, student: 68.87, review: 72.56 },
  }),
} satisfies Record<string, PresetEntry>;
