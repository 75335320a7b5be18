import { join } from "node:path";
import {
  findPreset, isReviewKdError, mergeSettings, parseRunConfig, readRunConfigInput, ReviewKdError, type Preset, type RunConfig, type Settings,
} from "../../index.js";
import { omitUndefined } from "./omit-undefined.js";
import type { TrainingFlags } from "./training-flags.js";

export type Task = RunConfig["task"];

/** A checked configuration, and where its run is kept. */
export interface ResolvedRun {
  readonly config: RunConfig;
  readonly runDirectory: string;
}

/**
 * Lays the sources of settings over each other, preset < configuration file < flags, and has the schema judge the whole.
 * A run that is resumed brings its own configuration, below the flags: so `--run DIR --resume` says everything.
 *
 * @throws CONFIG_INVALID, UNKNOWN_NAME, FILE_NOT_FOUND, FILE_ACCESS, FILE_UNSUPPORTED, RUN_DIRECTORY
 */
export async function resolveRun(task: Task, flags: TrainingFlags, settings: Settings): Promise<ResolvedRun> {
  const layers: Settings[] = [{ task }];
  if (flags.resume === true && flags.run !== undefined) layers.push(await recordedSettings(task, flags.run));
  if (flags.config !== undefined) layers.push(await fileSettings(task, flags.config));
  const merged = mergeSettings(...layers, omitUndefined({ preset: flags.preset }), settings);
  requireInputs(task, merged);
  const config = parseRunConfig(merged, flags.config === undefined ? "the flags" : `${flags.config} with the flags`);
  return { config, runDirectory: flags.run ?? defaultRunDirectory(config) };
}

/** `runs/<task>-<student>[-from-<teacher>]-<seed>`. */
export function defaultRunDirectory(config: RunConfig): string {
  const networks = config.task === "train" ? config.model.name : `${config.student.name}-from-${config.teacher.name}`;
  return join("runs", `${config.task}-${networks}-${config.training.seed}`);
}

const LISTS = "`reviewkd models` lists the networks";

/** What nobody can guess, in the words of the command line; all else is the schema's to judge. */
function requireInputs(task: Task, settings: Settings): void {
  // An unknown preset comes first: it may be what would have named the networks.
  presetOf(settings);
  if (task === "train") {
    demand(valueAt(settings, "model", "name"), "a network", "--model", LISTS);
  } else {
    demandPair(settings);
    demand(
      valueAt(settings, "teacher", "weights"), "a file of trained weights", "--teacher-weights",
      "`reviewkd train` writes one, student.safetensors of its run directory",
    );
  }
  demandData(settings);
}

/** The directory of the data, where settings or their preset ask for a stored data set. */
export function demandData(settings: Settings): void {
  const preset = presetOf(settings);
  const kind = valueAt(settings, "data", "kind") ?? preset?.dataset;
  if (kind === "imagenet") {
    const remedy = `the preset ${preset?.name ?? ""} is for ImageNet, in folders train/CLASS and val/CLASS`;
    demand(valueAt(settings, "data", "root"), "image-folder:DIR", "--data", remedy);
  }
  if (kind === "cifar10" || kind === "cifar100") {
    demand(valueAt(settings, "data", "root"), `${kind}:DIR`, "--data", `\`reviewkd data fetch ${kind}\` downloads the data set`);
  }
}

/** Both networks' names, where no preset has them. */
export function demandPair(settings: Settings): void {
  const preset = presetOf(settings);
  demand(valueAt(settings, "teacher", "name") ?? preset?.teacher, "a network", "--teacher", LISTS);
  demand(valueAt(settings, "student", "name") ?? preset?.student, "a network", "--student", LISTS);
}

function presetOf(settings: Settings): Preset | undefined {
  return typeof settings["preset"] === "string" ? findPreset(settings["preset"]) : undefined;
}

function demand(value: unknown, expected: string, option: string, remedy: string): void {
  if (value === undefined) throw new ReviewKdError("CONFIG_INVALID", `expected ${expected} for ${option}, got nothing; ${remedy}`);
}

function valueAt(settings: Settings, key: string, inner: string): unknown {
  const below = settings[key];
  // What is no object is the schema's to refuse.
  return typeof below === "object" && below !== null ? (below as Settings)[inner] : below;
}

async function recordedSettings(task: Task, runDirectory: string): Promise<Settings> {
  const path = join(runDirectory, "config.json");
  try {
    return await fileSettings(task, path);
  } catch (error) {
    if (!isReviewKdError(error) || error.code !== "FILE_NOT_FOUND") throw error;
    throw new ReviewKdError(
      "RUN_DIRECTORY",
      `expected a run to go on with for --resume, got nothing at ${path}; name the directory of a begun run with --run, or leave --resume out`,
      { cause: error },
    );
  }
}

async function fileSettings(task: Task, path: string): Promise<Settings> {
  const settings = await readRunConfigInput(path);
  const other = settings["task"];
  if ((other === "train" || other === "distill") && other !== task) {
    throw new ReviewKdError("CONFIG_INVALID", `expected the configuration of task "${task}" for \`reviewkd ${task}\`, got "${other}" in ${path}; use \`reviewkd ${other}\``);
  }
  return settings;
}
