import { ReviewKdError } from "./errors.js";
import { didYouMean } from "./nearest-name.js";
import { Preset, type PresetInput } from "./schemas/preset.js";
import { listed } from "./schema-text.js";
import { parse } from "./validation.js";

/**
 * The official CIFAR schedule: the rate falls *after* epoch indices 150, 180 and 210.
 * @see https://arxiv.org/abs/2104.09044
 */
const CIFAR_TRAINING = {
  epochs: 240,
  batchSize: 128,
  optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  schedule: { kind: "multi-step", milestones: [150, 180, 210], factor: 0.1 },
  augment: true,
} satisfies PresetInput["training"];

const PAPER = "Distilling Knowledge via Knowledge Review (CVPR 2021, arXiv 2104.09044) and its published CIFAR code";

const cifarPair = (pair: Pick<PresetInput, "teacher" | "student" | "published"> & { weight: number; note?: string }) => {
  const { weight, note = "", ...rest } = pair;
  return {
    description: `${pair.student ?? ""} under ${pair.teacher ?? ""} on CIFAR-100, as published.`,
    origin: "published",
    source: `${PAPER}; baselines of teacher and student as commonly quoted${note}`,
    dataset: "cifar100",
    method: { kind: "review", weight, warmupEpochs: 20 },
    training: CIFAR_TRAINING,
    ...rest,
  } satisfies Omit<PresetInput, "name">;
};

const TABLE = {
  cifar100: {
    description: "The official CIFAR-100 schedule for any pair of networks; ShuffleNet and MobileNet students need a learning rate of 0.02.",
    origin: "published",
    source: PAPER,
    dataset: "cifar100",
    method: { kind: "review", warmupEpochs: 20 },
    training: CIFAR_TRAINING,
  },
  "cifar100-short": {
    description: "12 epochs under a cosine, to see an effect on CIFAR-100 soon; no published figure applies.",
    origin: "ours",
    source: "chosen for this package; not published anywhere",
    dataset: "cifar100",
    method: { kind: "review", warmupEpochs: 1 },
    training: { ...CIFAR_TRAINING, epochs: 12, schedule: { kind: "cosine", warmupEpochs: 1 } },
  },
  "resnet56-resnet20": cifarPair({
    teacher: "resnet56", student: "resnet20", weight: 0.6, published: { teacher: 72.34, student: 69.06, review: 71.89 },
  }),
  "resnet110-resnet32": cifarPair({
    teacher: "resnet110", student: "resnet32", weight: 1, published: { teacher: 74.31, student: 71.14, review: 73.89 },
    note: ", from memory for this pair",
  }),
  "resnet32x4-resnet8x4": cifarPair({
    teacher: "resnet32x4", student: "resnet8x4", weight: 5, published: { teacher: 79.42, student: 72.5, review: 75.63 },
  }),
} satisfies Record<string, Omit<PresetInput, "name">>;

/** The name of a preset. */
export type PresetName = keyof typeof TABLE;

const PRESETS: readonly Preset[] = Object.freeze(
  Object.entries(TABLE).map(([name, entry]) => deepFreeze(parse(Preset, { name, ...entry }, `the preset ${name}`))),
);

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

/**
 * All presets, frozen: the official schedules, and the pairs of networks whose results were published with them.
 *
 * @example
 * ```ts
 * for (const { name, description } of listPresets()) console.log(name, description);
 * ```
 */
export function listPresets(): readonly Preset[] {
  return PRESETS;
}

/**
 * The preset of this name.
 *
 * @throws `UNKNOWN_NAME`: there is none; `valid` lists them.
 */
export function findPreset(name: string): Preset {
  const preset = PRESETS.find((candidate) => candidate.name === name);
  if (preset !== undefined) return preset;
  const valid = PRESETS.map((candidate) => candidate.name);
  throw new ReviewKdError("UNKNOWN_NAME", `expected ${listed(valid)} for preset, got "${name}"${didYouMean(name, valid)}`, { valid });
}
