// The layer of settings that a preset puts below those of a run, study or `fit`.
import { ReviewKdError } from "../errors.js";
import { isSettings, type Settings } from "./settings.js";
import { findPreset } from "./presets/index.js";
import type { StoredDataSource } from "./schemas/data.js";
import type { Preset, PresetTraining } from "./schemas/preset.js";
import type { RunConfig } from "./schemas/run-config.js";
import type { ParseErrorCode } from "./validation.js";

/** The kind of data source for a preset's data set. */
const DATA_KINDS = { cifar100: "cifar100", imagenet: "image-folder", coco: "coco" } as const satisfies Record<
  Preset["dataset"],
  StoredDataSource["kind"]
>;

/**
 * The settings that a preset determines for a run of this task; none without a preset.
 *
 * @param settings - of the run or study: the preset's name and its options, and the batch size that it is scaled to.
 * @throws `UNKNOWN_NAME`; `CONFIG_INVALID`: options of a preset without one, or without quirks.
 */
export function presetSettings(task: RunConfig["task"], settings: Settings, what: string): Settings {
  const given = presetOf(settings, what);
  if (given === undefined) return {};
  const preset = settings["publishedQuirks"] === false ? withoutQuirks(given) : given;
  const training = isSettings(settings["training"]) ? settings["training"] : {};
  const shared = { data: { kind: DATA_KINDS[preset.dataset], ...preset.data },
    training: settings["linearScaling"] === true ? scaledTraining(preset.training, training) : preset.training };
  const { teacher, student, detectors } = preset;
  if (task === "train") {
    const model = settings["model"];
    // A student alone, to compare the distilled one with, is the same network.
    const isStudent = student !== undefined && isSettings(model) && model["name"] === student;
    return { ...shared, ...(isStudent && detectors !== undefined ? { model: detectors.student } : {}) };
  }
  return {
    ...shared,
    method: preset.method,
    ...(teacher === undefined ? {} : { teacher: { name: teacher, ...detectors?.teacher } }),
    ...(student === undefined ? {} : { student: { name: student, ...detectors?.student } }),
  };
}

function presetOf(settings: Settings, what: string): Preset | undefined {
  const { preset: name, linearScaling, publishedQuirks } = settings;
  const preset = typeof name === "string" ? findPreset(name) : undefined;
  if (linearScaling === true) assertPreset(preset, "linearScaling", what);
  if (publishedQuirks !== undefined && !preset?.marks.some(({ origin }) => origin === "quirk")) {
    throw new ReviewKdError("CONFIG_INVALID",
      `invalid publishedQuirks in ${what}: expected a preset that keeps quirks of the published code, received ${preset === undefined ? "no preset" : `"${preset.name}"`}. Leave it out; \`reviewkd presets\` marks those that do.`);
  }
  return preset;
}

/** @throws `CONFIG_INVALID` or `code`: an option that concerns a preset, without one. */
export function assertPreset(preset: unknown, option: string, what: string,
  code: ParseErrorCode = "CONFIG_INVALID"): void {
  if (preset !== undefined) return;
  throw new ReviewKdError(code,
    `invalid ${option} in ${what}: expected a preset that it changes, received no preset. Pass \`preset\` (--preset on the command line) as well, or leave it out.`);
}

/**
 * A preset's training for the batch size of the settings above it, by the linear rule: the learning rate grows with the
 * images of an optimizer step, and numbers of steps fall with them, as detectron2's `auto_scale_workers` does.
 *
 * @see Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (2017), https://arxiv.org/abs/1706.02677
 */
export function scaledTraining(training: PresetTraining, { batchSize, accumulateBatches }: Settings): PresetTraining {
  const scale = positive(batchSize, training.batchSize) * positive(accumulateBatches, training.accumulateBatches) /
    (training.batchSize * training.accumulateBatches);
  const steps = (count: number): number => Math.round(count / scale);
  const { optimizer, schedule, maxSteps } = training;
  return {
    ...training,
    maxSteps: maxSteps === null ? null : Math.max(1, steps(maxSteps)),
    optimizer: { ...optimizer, learningRate: optimizer.learningRate * scale },
    schedule: {
      ...schedule,
      ...(schedule.warmupSteps === undefined ? {} : { warmupSteps: steps(schedule.warmupSteps) }),
      ...("milestoneSteps" in schedule ? { milestoneSteps: schedule.milestoneSteps?.map(steps) } : {}),
    },
  };
}

/** The value if it is a count; the schema rejects all others. */
function positive(value: unknown, otherwise: number): number {
  return typeof value === "number" && value >= 1 ? value : otherwise;
}

/** The preset without the fields that are marked as quirks. */
function withoutQuirks(preset: Preset): Preset {
  const copy = structuredClone(preset);
  for (const { field, origin } of preset.marks) {
    if (origin !== "quirk") continue;
    const keys = field.split(".");
    const last = keys.pop() ?? "";
    const parent = keys.reduce<unknown>((inner, key) => (isSettings(inner) ? inner[key] : undefined), copy);
    if (isSettings(parent)) Reflect.deleteProperty(parent, last);
  }
  return copy;
}
