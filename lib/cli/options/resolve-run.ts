import { join } from "node:path";
import { findPreset, isReviewKdError, isRunDirectory, mergeSettings, parseRunConfig, readRunConfigInput, ReviewKdError,
  schemas, type Preset, type ProcessGroup, type RunConfig, type Settings } from "../../index.js";
import { omitUndefined } from "./omit-undefined.js";
import type { TrainingFlags } from "./training-flags.js";

export type Task = RunConfig["task"];

/** Validates the settings of a resumed run < preset < configuration file < flags. */
export async function resolveRun(task: Task, flags: TrainingFlags,
  settings: Settings): Promise<{ readonly config: RunConfig; readonly runDirectory: string }> {
  const what = flags.config === undefined ? "the flags" : `${flags.config} with the flags`;
  const given = [...(flags.config === undefined ? [] : [await fileSettings(task, flags.config)]),
    omitUndefined({ preset: flags.preset }), settings];
  const fresh = mergeSettings({ task }, ...given);
  // Without --run, a run is resumed where these flags would have begun it.
  const directory = flags.run ?? defaultDirectory(task, fresh, what);
  const isResumed = flags.resume === true || (flags.resume === "auto" && await isRunDirectory(directory));
  const merged = isResumed ? mergeSettings({ task }, await recordedSettings(task, directory), ...given) : fresh;
  requireInputs(task, merged);
  return { config: parseRunConfig(merged, what), runDirectory: directory };
}

/** The same for several processes: of the first one, after comparing what all of them were given. */
export async function resolveTogether(group: ProcessGroup, task: Task, flags: TrainingFlags,
  settings: Settings): Promise<{ readonly config: RunConfig; readonly runDirectory: string }> {
  const { run, resume, override } = flags;
  const file = flags.config === undefined ? {} : await readRunConfigInput(flags.config);
  await group.assertSame({ task, settings, file, preset: flags.preset, run, resume, override }, "command line");
  return group.fromFirst(() => resolveRun(task, flags, settings));
}

function defaultDirectory(task: Task, settings: Settings, what: string): string {
  requireInputs(task, settings);
  return defaultRunDirectory(parseRunConfig(settings, what));
}

export function defaultRunDirectory(config: RunConfig): string {
  const networks = config.task === "train" ? config.model.name : `${config.student.name}-from-${config.teacher.name}`;
  return join("runs", `${config.task}-${networks}-${config.training.seed}`);
}

const LISTS = "Pass the name of a network; `reviewkd models` lists them.";

/** Checks for inputs without a default, with messages that name the flags; the schema validates everything else. */
function requireInputs(task: Task, settings: Settings): void {
  // Check the preset first: a misspelled one may be the reason why the networks are missing.
  presetOf(settings);
  if (task === "train") {
    requireValue(valueAt(settings, "model", "name"), "--model", LISTS);
  } else {
    requirePair(settings);
    requireValue(
      valueAt(settings, "teacher", "weights"),
      "--teacher-weights",
      `Pass a file of trained weights; \`reviewkd train\` writes one, student.safetensors of its run directory.${
        presetOf(settings)?.dataset === "coco"
          ? " The published teachers are detectron2's: model_final_*.pkl of its model zoo." : ""
      }`,
    );
    requireBackbone(settings);
  }
  requireData(settings);
}

/** The published students of detectors begin with a backbone for ImageNet. */
export function requireBackbone(settings: Settings): void {
  const preset = presetOf(settings);
  const student = valueAt(settings, "student", "name") ?? preset?.student;
  if (preset?.detectors === undefined || student !== preset.student) return;
  requireValue(
    valueAt(settings, "student", "backboneWeights") ?? valueAt(settings, "student", "weights"),
    "--backbone-weights",
    `The preset ${preset.name} begins with a backbone for ImageNet: pass a classifier's weights, such as torchvision's or detectron2's, or --student-weights with those of the whole student.`,
  );
}

/** Requires the directory of the data if the settings or their preset need a stored data set. */
export function requireData(settings: Settings): void {
  const preset = presetOf(settings);
  const kind = valueAt(settings, "data", "kind") ?? preset?.dataset;
  if (kind === "imagenet") {
    const remedy = `The preset ${preset?.name ?? ""} is for ImageNet: pass image-folder:DIR with the folders train/CLASS and val/CLASS.`;
    requireValue(valueAt(settings, "data", "root"), "--data", remedy);
  }
  if (kind === "coco" && valueAt(settings, "data", "images") === undefined) {
    const { content, remedy } = schemas.DATA_DIRECTORIES.get(kind) ?? { content: "its files", remedy: "" };
    requireValue(valueAt(settings, "data", "root"), "--data",
      `Pass coco:DIR with the directory of ${content}. ${remedy}`);
  }
  if (kind === "cifar10" || kind === "cifar100") {
    requireValue(valueAt(settings, "data", "root"), "--data",
      `Pass ${kind}:DIR; \`reviewkd data fetch ${kind}\` downloads the data set.`);
  }
}

export function requirePair(settings: Settings): void {
  const preset = presetOf(settings);
  requireValue(valueAt(settings, "teacher", "name") ?? preset?.teacher, "--teacher", LISTS);
  requireValue(valueAt(settings, "student", "name") ?? preset?.student, "--student", LISTS);
}

function presetOf(settings: Settings): Preset | undefined {
  return typeof settings["preset"] === "string" ? findPreset(settings["preset"]) : undefined;
}

function requireValue(value: unknown, option: string, remedy: string): void {
  if (value === undefined) throw new ReviewKdError("CONFIG_INVALID", `missing ${option}. ${remedy}`);
}

function valueAt(settings: Settings, key: string, inner: string): unknown {
  const below = settings[key];
  // The schema rejects values that are not objects.
  return typeof below === "object" && below !== null ? (below as Settings)[inner] : below;
}

async function recordedSettings(task: Task, runDirectory: string): Promise<Settings> {
  const path = join(runDirectory, "config.json");
  try {
    return await fileSettings(task, path);
  } catch (error) {
    if (!isReviewKdError(error) || error.code !== "FILE_NOT_FOUND") throw error;
    throw new ReviewKdError("RUN_DIRECTORY",
      `no run to resume at ${runDirectory}: config.json is missing. Pass --run with an existing run directory, or omit --resume.`,
      { cause: error });
  }
}

async function fileSettings(task: Task, path: string): Promise<Settings> {
  const settings = await readRunConfigInput(path);
  const other = settings["task"];
  if ((other === "train" || other === "distill") && other !== task) {
    throw new ReviewKdError("CONFIG_INVALID",
      `invalid task in ${path}: expected "${task}", received "${other}". Use \`reviewkd ${other}\`.`);
  }
  return settings;
}
